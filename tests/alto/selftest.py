"""Whether the walker can find anything: the schemas refuse broken documents, and a walk through a server that does one thing wrong
ends with a failure of the check that is about it.

    python selftest.py
"""

import copy
import io
import json
import sys
import threading
from pathlib import Path

import httpx
import jsonpatch

from rehearsal import BASE, Server
from walker import reckon, schemas, stream, wire
from walker.__main__ import Walk
from walker.faults import Fault, same
from walker.lookup import Lookup
from walker.report import Report

EXAMPLES = Path(__file__).parent / "examples"


def examples():
    """Each schema takes a good document and refuses it with one thing wrong."""
    names = {path.stem for path in EXAMPLES.glob("*.json")}
    same("schemas without examples", sorted({path.stem for path in schemas.FOLDER.glob("*.json")} - names - {"common"}), [])
    count = 0
    for name in sorted(names):
        example = json.loads((EXAMPLES / f"{name}.json").read_text())
        media_type = f"application/alto-{name}+json"
        schemas.judge(media_type, example["good"])
        for each in example["broken"]:
            broken = jsonpatch.apply_patch(copy.deepcopy(example["good"]), each["patch"])
            count += 1
            try:
                schemas.judge(media_type, broken)
            except Fault:
                continue
            raise Fault(f"{name}: {each['why']}: nobody minds")
    return count


def own_computations():
    """Ours, against the RFCs' own examples."""
    f2 = {
        "PID0": {"ipv6": ["::/0"]},
        "PID1": {"ipv4": ["0.0.0.0/0"]},
        "PID2": {"ipv4": ["192.0.2.0/24", "198.51.100.0/24"]},
        "PID3": {"ipv4": ["192.0.2.0/25", "192.0.2.128/25"]},
    }
    lookup = Lookup(f2)
    found = [lookup.pid(each) for each in ("ipv4:192.0.2.1", "ipv4:198.51.100.9", "ipv4:8.8.8.8", "ipv6:2001:DB8::1")]
    same("RFC 7285 section 11.2.2", found, ["PID3", "PID2", "PID1", "PID0"])
    same("families share no tree", Lookup({"a": {"ipv4": ["10.0.0.0/8"]}, "b": {"ipv6": ["::/0"]}}).pid("ipv6:a00::1"), "b")
    c1 = reckon.cells({"1": {"1": 1, "2": 5, "3": 10}, "2": {"1": 5, "2": 1, "3": 15}, "3": {"1": 20, "2": 15}})
    for texts, expected in (
        (["ge 5", "le 10"], ["12", "13", "21"]),
        (["gt 5"], ["13", "23", "31", "32"]),
        (["lt 5"], ["11", "22"]),
        (["eq 5"], ["12", "21"]),
    ):
        passing = reckon.passing({pair: [value] for pair, value in c1.items()}, [texts])
        same(f"RFC 7285 section 11.3.2.3: {texts}", sorted("".join(pair) for pair in passing), expected)
    m1 = reckon.cells(
        {
            "1": {"1": [1, 0], "2": [4, 3], "3": [10, 2]},
            "2": {"1": [15, 5], "2": [1, 0], "3": [None, 9]},
            "3": {"1": [20, 12], "2": [None, 1], "3": [1, 0]},
        }
    )
    passing = reckon.passing(m1, [["[0] ge 5", "[0] le 10"], ["[1] eq 0"]])
    same("RFC 8189 section 5.3", sorted("".join(pair) for pair in passing), ["11", "13", "22", "33"])
    passing = reckon.passing(m1, [["[0] le 10", "[1] le 2"], ["[0] le 3", "[1] le 6"]])
    same("RFC 8189 section 5.4", sorted("".join(pair) for pair in passing), ["11", "13", "22", "33"])
    ranks = {"a": 2, "b": 1, "c": 3}
    same("ranks", reckon.is_order({"a": 5, "b": 1, "c": 15}, ranks, "routingcost"), True)
    same("ranks of what is better the more it is", reckon.is_order({"a": 5, "b": 1, "c": 15}, ranks, "tput"), False)
    same("equal costs of different ranks", reckon.is_order({"a": 5, "b": 5, "c": 15}, ranks, "routingcost"), False)


def walked(tamper, kinds=None):
    """The report of a walk through the rehearsal's server, with its answers changed by `tamper`."""
    server = Server(tamper)
    client = wire.Client(transport=httpx.MockTransport(server.handle), address="ipv4:198.51.100.7")
    report = Report(io.StringIO())
    walk = Walk(client, f"{BASE}/", report, changes_s=SOON_S)
    walk.say = lambda word: threading.Timer(0.2, server.change).start()
    walk.run(kinds)
    return report


def at(method, path, change, status=200):
    """Changes the answers of one place."""

    def tamper(told_method, told_path, told_status, document):
        if (told_method, told_status) == (method, status) and told_path.startswith(path):
            document = copy.deepcopy(document)
            change(document)
        return document

    return tamper


def set_to(value, *path):
    def change(document):
        *way, last = path
        for step in way:
            if step not in document:
                return
            document = document[step]
        if last in document or value is not GONE:
            document[last] = value
        if value is GONE:
            document.pop(last, None)

    return change


GONE = object()
# What is fetched, and no question.
FETCHED = frozenset()
# Nothing is far away in a rehearsal.
SOON_S = 2.0


def every_row(change):
    def tamper(document):
        for name in ("cost-map", "endpoint-cost-map"):
            for row in document.get(name, {}).values():
                change(row)

    return tamper


def one_more(row):
    for name, value in row.items():
        row[name] = value + 1 if isinstance(value, int | float) else value


def without_first(row):
    if row:
        row.pop(sorted(row)[0])


# What is wrong, where it is to be noticed (none: in what is fetched), and the words of a check that must fail for it.
WRONG = [
    ("no default map", at("GET", "", set_to(GONE, "meta", "default-alto-network-map")), None, "default network map"),
    ("a use of nothing", at("GET", "", set_to(["no-such"], "resources", "nm-filter", "uses")), None, "what is used is there"),
    (
        "the tag of another resource",
        at("GET", "networkmap/nm", set_to("other", "meta", "vtag", "resource-id")),
        None,
        "nm: its version",
    ),
    (
        "a cost map of another version",
        at("GET", "costmap/routingcost", set_to([{"resource-id": "nm", "tag": "x"}], "meta", "dependent-vtags")),
        None,
        "its version",
    ),
    (
        "an incomplete network map",
        at("GET", "networkmap/nm", set_to([], "network-map", "PID3", "ipv6")),
        None,
        "GET, its media type",
    ),
    ("a PID too many", at("POST", "networkmap/nm", set_to({}, "network-map", "PID9")), wire.NETWORK_MAP, "only the PIDs"),
    (
        "a tag of the filtered map",
        at("POST", "networkmap/nm", set_to("x", "meta", "vtag", "tag")),
        wire.NETWORK_MAP,
        "only the PIDs",
    ),
    ("costs one too high", at("POST", "costmap/nm", every_row(one_more)), wire.COST_MAP, "every cost type"),
    ("costs that are missing", at("POST", "costmap/nm", every_row(without_first)), wire.COST_MAP, "predicates"),
    (
        "endpoint costs one too high",
        at("POST", "endpointcost/nm", every_row(one_more)),
        wire.ENDPOINT_COST,
        "nm-ends: every cost type",
    ),
    (
        "endpoints in the wrong PID",
        at(
            "POST",
            "endpointprop",
            lambda d: [said.update({"nm.pid": "PID2"}) for said in d["endpoint-properties"].values() if "nm.pid" in said],
        ),
        wire.ENDPOINT_PROPERTY,
        "PIDs by the longest prefix",
    ),
    (
        "a wrong property",
        at(
            "POST",
            "propmap/filter",
            lambda d: [
                said.update({".priv:t-isp": "Other"})
                for name, said in d["property-map"].items()
                if said and name.startswith("nm")
            ],
        ),
        wire.PROPERTY_MAP,
        "some PIDs",
    ),
    (
        "addresses that inherit wrongly",
        at(
            "POST",
            "propmap/filter",
            lambda d: [
                said.update({"nm.pid": "PID2"}) for name, said in d["property-map"].items() if said and name.startswith("ip")
            ],
        ),
        wire.PROPERTY_MAP,
        "what lies in prefixes",
    ),
    (
        "calendars of other lengths",
        at(
            "POST",
            "costmap/nm",
            lambda d: [s.update({"number-of-intervals": 7}) for s in d["meta"].get("calendar-response-attributes", [])],
        ),
        wire.COST_MAP,
        "calendars",
    ),
    (
        "cost types in another order",
        at("POST", "costmap/nm", lambda d: d["meta"].get("multi-cost-types", []).reverse()),
        wire.COST_MAP,
        "several cost types together",
    ),
    (
        "errors of another field",
        at("POST", "costmap/nm", lambda d: d["meta"].update({"field": "other"}) if "field" in d["meta"] else None, 400),
        wire.COST_MAP,
        "wrong cost types",
    ),
    (
        "errors of another code",
        at("POST", "endpointprop", set_to("E_SYNTAX", "meta", "code"), 400),
        wire.ENDPOINT_PROPERTY,
        "wrong questions",
    ),
    (
        "no control URI",
        at("EVENT", wire.STREAM_CONTROL, lambda d: d.update({"control-uri": None}) if "control-uri" in d else None),
        wire.STREAM,
        "stream control",
    ),
    (
        "patches that say something else",
        at("EVENT", "application/merge-patch", every_row(one_more)),
        wire.STREAM,
        "changes, replayed",
    ),
    ("patches without a version", at("EVENT", "application/merge-patch", set_to(GONE, "meta")), wire.STREAM, "changes, replayed"),
    ("full replacements of another state", at("EVENT", wire.COST_MAP, every_row(one_more)), wire.STREAM, "opening"),
]


def wrong_servers():
    for why, tamper, kind, words in WRONG:
        report = walked(tamper, {kind} if kind else FETCHED)
        failed = [name for name in report.failed if words in name]
        if not failed:
            raise Fault(f"{why}: no failure of {words!r} among {report.failed}")


def right_server():
    report = walked(None)
    same("failures", report.failed, [])
    same("left out", report.absent, [])


def main():
    stream.SOON_S, stream.QUIET_S = SOON_S, SOON_S / 10
    report = Report()
    count = report.check("schemas", "take what is good, and refuse what is broken", examples)
    report.line("…", f"{count} broken documents")
    report.check("computations", "are those of the RFCs' examples", own_computations)
    report.check("rehearsal", "of a right server", right_server)
    report.check("rehearsal", f"of {len(WRONG)} wrong ones", wrong_servers)
    return 0 if report.summary() else 1


if __name__ == "__main__":
    sys.exit(main())
