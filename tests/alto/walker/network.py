"""Filtered network maps (RFC 7285 section 11.3.1), compared with our own filter of the full one."""

import random

from .faults import Absent, same


def compare(view, resource, question, expected):
    full = view.network_map(resource.uses[0])
    answer = view.post(resource, question)
    same(f"{question}: PIDs", answer["network-map"], expected(full["network-map"]))
    same(f"{question}: the tag is that of the full map", answer["meta"]["vtag"], full["meta"]["vtag"])


def some(view, resource, least=1):
    pids = sorted(view.network_map(resource.uses[0])["network-map"])
    if len(pids) < least:
        raise Absent(f"{len(pids)} PIDs")
    return random.Random(resource.id).sample(pids, max(least, len(pids) // 2))


def only_these(view, resource):
    chosen = some(view, resource)
    compare(view, resource, {"pids": chosen}, lambda full: {pid: full[pid] for pid in chosen})


def all_of_them(view, resource):
    compare(view, resource, {"pids": []}, lambda full: full)
    compare(view, resource, {"pids": [], "address-types": []}, lambda full: full)


def unknown_and_double(view, resource):
    chosen = some(view, resource)
    question = {"pids": [chosen[0], "no-such-pid", chosen[0]]}
    compare(view, resource, question, lambda full: {chosen[0]: full[chosen[0]]})
    compare(view, resource, {"pids": ["no-such-pid"]}, lambda full: {})


def by_family(view, resource):
    for families in (["ipv4"], ["ipv6"], ["ipv6", "mac48"]):

        def expected(full, families=families):
            # A PID without any such address may be left out or stand without one.
            return {pid: {name: group[name] for name in families if name in group} for pid, group in full.items()}

        full = view.network_map(resource.uses[0])["network-map"]
        answer = view.post(resource, {"pids": [], "address-types": families})
        wanted = expected(full)
        found = answer["network-map"]
        same(f"{families}: PIDs with addresses", with_addresses(found), with_addresses(wanted))
        same(f"{families}: foreign PIDs", sorted(set(found) - set(wanted)), [])


def with_addresses(found):
    return {pid: group for pid, group in found.items() if group}


def unknown_families_alone(view, resource):
    chosen = some(view, resource)
    answer = view.post(resource, {"pids": chosen, "address-types": ["mac48"]})
    same("PIDs with addresses", with_addresses(answer["network-map"]), {})


def wrong_questions(view, resource):
    client = view.client
    client.refusal(resource, {}, "E_MISSING_FIELD", "pids")
    client.refusal(resource, {"pids": "PID1"}, "E_INVALID_FIELD_TYPE", "pids")
    client.refusal(resource, {"pids": [7]}, "E_INVALID_FIELD_VALUE", "pids", "7")
    client.refusal(resource, {"pids": [], "address-types": "ipv4"}, "E_INVALID_FIELD_TYPE", "address-types")


def unknown_members(view, resource):
    """RFC 7285 section 8.3.7."""
    body = b'{"pids":[],"colour":{"deep":[1]}}'
    answer = view.client.ask("POST", resource.url, 200, body, content_type=resource.accepts)
    full = view.network_map(resource.uses[0])["network-map"]
    same("PIDs", view.client.read(answer, resource.media_type)["network-map"], full)


CHECKS = [
    ("RFC 7285 §11.3.1.6", "only the PIDs that were asked for", only_these),
    ("RFC 7285 §11.3.1.3", "no PID means all", all_of_them),
    ("RFC 7285 §11.3.1.6", "unknown PIDs are absent, doubles stand once", unknown_and_double),
    ("RFC 7285 §11.3.1.6", "only the address types that were asked for", by_family),
    ("RFC 7285 §11.3.1.6", "unknown address types are ignored", unknown_families_alone),
    ("RFC 7285 §8.5.2", "wrong questions and their errors", wrong_questions),
    ("RFC 7285 §8.3.7", "unknown members are ignored", unknown_members),
]
