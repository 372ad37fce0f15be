"""Property maps (RFC 9240)."""

import ipaddress
import random

from .faults import Absent, holds, same
from .lookup import Lookup, addresses


def domain(entity):
    """The domain of an entity: what stands before the first colon, as PIDs may have some too."""
    return entity.partition(":")[0]


def mapped(view, resource):
    """RFC 9240 section 7.4: only domains and properties that the directory names, of PIDs that are there."""
    mappings = resource.capabilities["mappings"]
    found = view.document(resource)["property-map"]
    for entity, properties in found.items():
        holds(f"{entity} is of no domain of the directory", domain(entity) in mappings)
        same(f"{entity}: foreign properties", sorted(set(properties) - set(mappings[domain(entity)])), [])
    check_pids(view, found)


def check_pids(view, found):
    for entity in found:
        name, _, rest = domain(entity).partition(".")
        if rest == "pid":
            pid = entity.partition(":")[2]
            holds(f"{entity} is no PID of {name}", pid in view.network_map(name)["network-map"])


def versions(view, resource, meta):
    expected = [view.network_map(name)["meta"]["vtag"] for name in resource.uses]
    same("dependent-vtags", meta.get("dependent-vtags", []), expected)


def ask(view, resource, entities, properties=None):
    question = {"entities": entities}
    if properties is not None:
        question["properties"] = properties
    answer = view.post(resource, question)
    versions(view, resource, answer["meta"])
    return answer["property-map"]


def pid_domain(view, resource):
    """A domain of PIDs, its properties, and all PIDs of which something is said."""
    for name, properties in resource.capabilities["mappings"].items():
        if not name.endswith(".pid"):
            continue
        for each in view.directory.resources.values():
            if each.is_a(resource.media_type, False) and name in each.capabilities["mappings"]:
                full = view.document(each)["property-map"]
                return name, properties, {entity: said for entity, said in full.items() if domain(entity) == name}
    raise Absent("no PIDs, or no map of all of them")


def of_pids(view, resource):
    """RFC 9240 section 8.6: some entities, some properties; none means all; what is unknown is absent."""
    name, properties, full = pid_domain(view, resource)
    if not full:
        raise Absent("nothing is said of any PID")
    chance = random.Random(resource.id)
    entities = chance.sample(sorted(full), (len(full) + 1) // 2)
    some = properties[: (len(properties) + 1) // 2]
    for asked, wanted in ((some, some), ([], properties)):
        found = ask(view, resource, [*entities, entities[0], f"{name}:no-such-pid"], asked)
        expected = {each: {n: value for n, value in full[each].items() if n in wanted} for each in entities}
        same(f"{asked}", with_values(found), with_values(expected))


def with_values(found):
    return {entity: said for entity, said in found.items() if said}


def names_only(view, resource):
    """RFC 9240 section 8.3: without `properties` only entities are listed."""
    _, _, full = pid_domain(view, resource)
    if not full:
        raise Absent("nothing is said of any PID")
    entities = sorted(full)[:3]
    same("entities", ask(view, resource, entities), {entity: {} for entity in entities})


def of_addresses(view, resource):
    """RFC 9240 section 6.1: an address inherits by the longest prefix; what it inherits stands in the answer."""
    network_map, lookup, name = addressed(view, resource)
    for family in ("ipv4", "ipv6"):
        entities = [each for each in addresses(network_map, resource.id) if domain(each) == family]
        if not entities or family not in resource.capabilities["mappings"]:
            continue
        found = ask(view, resource, entities, [name])
        # A host may be written as the prefix that it is.
        found = {entity.removesuffix({"ipv4": "/32", "ipv6": "/128"}[family]): said for entity, said in found.items()}
        for entity in entities:
            same(entity, found.get(entity, {}).get(name), lookup.pid(entity))


def addressed(view, resource):
    for properties in (resource.capabilities["mappings"].get(family, []) for family in ("ipv4", "ipv6")):
        for name in properties:
            owner, _, rest = name.partition(".")
            if rest == "pid":
                network_map = view.network_map(owner)["network-map"]
                return network_map, Lookup(network_map), name
    raise Absent("no PIDs of addresses")


def of_prefixes(view, resource):
    """RFC 9240 section 8.6: whatever lies in a prefix has in the answer the value that it inherits there."""
    network_map, lookup, name = addressed(view, resource)
    chance = random.Random(resource.id)
    for family in ("ipv4", "ipv6"):
        if family not in resource.capabilities["mappings"]:
            continue
        prefixes = sorted({prefix for group in network_map.values() for prefix in group.get(family, [])})
        wider = [str(net.supernet()) for net in map(ipaddress.ip_network, prefixes) if net.prefixlen]
        for asked in chance.sample(prefixes + wider, min(6, len(prefixes + wider))):
            within(ask(view, resource, [f"{family}:{asked}"], [name]), family, asked, name, lookup, chance)


def within(found, family, asked, name, lookup, chance):
    """Tries addresses of the prefix: inside the answer they must find what they find in the network map."""
    net = ipaddress.ip_network(asked)
    inner = {}
    for entity, said in found.items():
        holds(f"{entity} is not in {asked}", ipaddress.ip_network(entity.partition(":")[2]).subnet_of(net))
        inner.setdefault(said.get(name), {}).setdefault(family, []).append(str(ipaddress.ip_network(entity.partition(":")[2])))
    answer = Lookup(inner)
    first, last = int(net.network_address), int(net.broadcast_address)
    edges = [int(edge) for entity in found for edge in ends_of(entity)]
    for number in {first, last, *edges, *(chance.randint(first, last) for _ in range(20))}:
        endpoint = f"{family}:{type(net.network_address)(number)}"
        same(f"{endpoint} in {asked}", answer.pid(endpoint), lookup.pid(endpoint))


def ends_of(entity):
    net = ipaddress.ip_network(entity.partition(":")[2])
    return net.network_address, net.broadcast_address


def wrong_questions(view, resource):
    client = view.client
    mappings = resource.capabilities["mappings"]
    name, properties = next(iter(mappings.items()))
    entity = {"ipv4": "ipv4:192.0.2.1", "ipv6": "ipv6:2001:db8::1"}.get(name, f"{name}:no-such-pid")
    for question, expected in (
        ({}, ("E_MISSING_FIELD", "entities")),
        ({"entities": entity}, ("E_INVALID_FIELD_TYPE", "entities")),
        ({"entities": [7]}, ("E_INVALID_FIELD_VALUE", "entities", "7")),
        ({"entities": ["no-such.ane:x"]}, ("E_INVALID_FIELD_VALUE", "entities", "no-such.ane:x")),
        ({"entities": ["ipv4:192.0.2.300"]}, ("E_INVALID_FIELD_VALUE", "entities", "ipv4:192.0.2.300")),
        ({"entities": [entity], "properties": [".priv:no-such"]}, ("E_INVALID_FIELD_VALUE", "properties", ".priv:no-such")),
        ({"entities": [entity], "properties": properties[0]}, ("E_INVALID_FIELD_TYPE", "properties")),
    ):
        client.refusal(resource, question, *expected)


MAP = [("RFC 9240 §7.4", "domains, properties and PIDs that are known", mapped)]
FILTERED = [
    ("RFC 9240 §8.6", "some PIDs, some properties", of_pids),
    ("RFC 9240 §8.3", "entities alone", names_only),
    ("RFC 9240 §6.1", "what addresses inherit", of_addresses),
    ("RFC 9240 §8.6", "what lies in prefixes", of_prefixes),
    ("RFC 9240 §8.6", "wrong questions and their errors", wrong_questions),
]
