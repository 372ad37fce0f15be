"""Endpoints: their properties (RFC 7285 section 11.4) and the costs between them (section 11.5), by our own
longest-prefix match."""

import random

from . import costs, wire
from .faults import Absent, Fault, holds, same
from .lookup import Lookup, addresses
from .view import key

# Endpoints of a question about costs: so many sources, as many destinations.
SIDE = 12


class EndpointDesk(costs.Desk):
    """Costs between endpoints are those between their PIDs; where there are none, those of whatever has no other PID stand in."""

    ends = "endpoints"
    member = "endpoint-cost-map"

    def __init__(self, resource, view):
        super().__init__(resource, view)
        self.map = view.directory.map_of_endpoints(resource)
        view.watch(self.map.id)
        self.network_map = view.document(self.map)["network-map"]
        self.lookup = Lookup(self.network_map)
        known = addresses(self.network_map, resource.id, most=4 * SIDE)
        if not known:
            raise Absent("the network map has no address")
        random.Random(resource.id).shuffle(known)
        self.sides = {"srcs": known[:SIDE], "dsts": known[-SIDE:]}

    def pids(self, name):
        """All cells of a cost type between PIDs."""
        wanted = key(self.kind(name))
        for each in self.view.directory.of(wire.COST_MAP, True):
            for other in each.names() if each.uses == [self.map.id] else []:
                if key(each.cost_type(other)) == wanted:
                    return self.view.costs(each, other)
        raise Fault(f"no map has the costs of {name} between PIDs")

    def full(self, name):
        between = self.pids(name)
        found = {}
        for source in self.sides["srcs"]:
            for to in self.sides["dsts"]:
                for pair in self.pairs(source, to):
                    if pair in between:
                        found[source, to] = between[pair]
                        break
        return found

    def pairs(self, source, to):
        """The pairs of PIDs whose cost it may be, the nearest first."""
        ends = [list(dict.fromkeys([self.lookup.pid(each), self.lookup.rest(each.partition(":")[0])])) for each in (source, to)]
        return [(a, b) for a in ends[0] for b in ends[1]]

    def every(self):
        return dict(self.sides)

    def some(self):
        chance = random.Random(self.resource.id)
        return {side: chance.sample(ends, (len(ends) + 1) // 2) for side, ends in self.sides.items()}

    def check_versions(self, meta):
        if "vtag" in meta:
            same("vtag/resource-id", meta["vtag"]["resource-id"], self.resource.id)


def spelling(desk):
    """RFC 7285 section 10.4: every spelling of an address is good, and the answer has it as it was sent."""
    name = next((name for name in desk.names("numerical") if desk.full(name)), None)
    if name is None:
        raise Absent("there is no cost")
    families = {family for group in desk.network_map.values() for family in group}
    if "ipv6" not in families:
        raise Absent("no IPv6")
    spellings = ["ipv6:2001:DB8:0:0::1", "ipv6:2001:db8::1", "ipv6:2001:0db8:0000:0000:0000:0000:0000:0001"]
    for end in ("srcs", "dsts"):
        other = "dsts" if end == "srcs" else "srcs"
        found, _ = desk.ask({end: spellings, other: desk.sides[other]}, cost_type=desk.kind(name))
        rows = {}
        for pair, value in found.items():
            place = 0 if end == "srcs" else 1
            rows.setdefault(pair[place], {})[pair[1 - place]] = value
        if not rows:
            continue
        same("spellings in the answer", sorted(rows), sorted(spellings))
        same("costs of the spellings", [rows[each] for each in spellings[1:]], [rows[spellings[0]]] * 2)


def the_client_itself(desk):
    """RFC 7285 section 11.5.1.3: an end that is not told is the client."""
    own = desk.view.client.address
    if own is None:
        raise Absent("we do not know by which address we are seen")
    name = desk.names("numerical")[0]
    for ends, place in (({"dsts": desk.sides["dsts"]}, "srcs"), ({"srcs": desk.sides["srcs"], "dsts": []}, "dsts")):
        found, _ = desk.ask(ends, cost_type=desk.kind(name))
        told, _ = desk.ask({**ends, place: [own]}, cost_type=desk.kind(name))
        same(f"{ends} from {own}", found, told)


def wrong_endpoints(desk):
    client = desk.view.client
    kind = desk.kind(desk.names("numerical")[0])
    for endpoints, expected in (
        ({}, ("E_INVALID_FIELD_VALUE", "endpoints")),
        ({"srcs": [], "dsts": []}, ("E_INVALID_FIELD_VALUE", "endpoints")),
        ("ipv4:192.0.2.1", ("E_INVALID_FIELD_TYPE", "endpoints")),
        ({"srcs": ["ipv4:192.0.2.300"]}, ("E_INVALID_FIELD_VALUE", "endpoints/srcs", "ipv4:192.0.2.300")),
        ({"dsts": ["ipx:1"]}, ("E_INVALID_FIELD_VALUE", "endpoints/dsts", "ipx:1")),
        ({"dsts": ["192.0.2.1"]}, ("E_INVALID_FIELD_VALUE", "endpoints/dsts", "192.0.2.1")),
        ({"dsts": ["ipv4:192.0.2.01"]}, ("E_INVALID_FIELD_VALUE", "endpoints/dsts", "ipv4:192.0.2.01")),
        ({"srcs": [7]}, ("E_INVALID_FIELD_VALUE", "endpoints/srcs", "7")),
    ):
        client.refusal(desk.resource, {"cost-type": kind, "endpoints": endpoints}, *expected)
    client.refusal(desk.resource, {"cost-type": kind}, "E_MISSING_FIELD", "endpoints")


COSTS = [
    ("RFC 7285 §10.4", "spellings of an address", spelling),
    ("RFC 7285 §11.5.1.3", "who asks is an end that is not told", the_client_itself),
    ("RFC 7285 §8.5.2", "wrong endpoints and their errors", wrong_endpoints),
]


def ask(view, resource, properties, endpoints):
    answer = view.post(resource, {"properties": properties, "endpoints": endpoints})
    found = answer["endpoint-properties"]
    same("endpoints that nobody asked for", sorted(set(found) - set(endpoints)), [])
    return found, answer["meta"]


def maps_of(view, resource):
    """Network maps whose property pid is offered."""
    names = [name.removesuffix(".pid") for name in resource.capabilities["prop-types"] if name.endswith(".pid")]
    return [view.directory.resources[name] for name in names]


def pids(view, resource):
    """RFC 7285 section 11.4.1.7: the PID by the longest prefix, and the version of the network map."""
    for each in maps_of(view, resource):
        document = view.document(each)
        lookup, name = Lookup(document["network-map"]), f"{each.id}.pid"
        endpoints = addresses(document["network-map"], each.id)
        if not endpoints:
            continue
        found, meta = ask(view, resource, [name], endpoints)
        expected = {endpoint: {name: lookup.pid(endpoint)} for endpoint in endpoints}
        same(name, found, expected)
        same(f"{name}: dependent-vtags", meta["dependent-vtags"], [document["meta"]["vtag"]])


def pids_of_all(view, resource):
    maps = maps_of(view, resource)
    documents = {each.id: view.document(each) for each in maps}
    names = [f"{name}.pid" for name in documents]
    endpoints = ["ipv4:192.0.2.34", "ipv4:192.0.2.34", "ipv6:2001:DB8::0:1"]
    found, meta = ask(view, resource, names, endpoints)
    for endpoint in endpoints:
        expected = {name: Lookup(documents[name[:-4]]["network-map"]).pid(endpoint) for name in names}
        same(endpoint, found.get(endpoint), {name: pid for name, pid in expected.items() if pid is not None})
    versions = sorted(each["meta"]["vtag"]["resource-id"] for each in documents.values())
    same("dependent-vtags", sorted(each["resource-id"] for each in meta["dependent-vtags"]), versions)


def other_properties(view, resource):
    """RFC 7285 section 11.4.1.6: a property that an endpoint has not is left out."""
    names = [name for name in resource.capabilities["prop-types"] if not name.endswith(".pid")]
    if not names:
        raise Absent("no other property")
    [document] = [view.document(view.directory.resources[view.directory.default_map()])]
    found, _ = ask(view, resource, names, addresses(document["network-map"], resource.id))
    foreign = {name for properties in found.values() for name in properties} - set(names)
    same("properties that nobody asked for", sorted(foreign), [])


def wrong_properties(view, resource):
    client = view.client
    names = resource.capabilities["prop-types"][:1]
    endpoint = ["ipv4:192.0.2.34"]
    for question, expected in (
        ({"endpoints": endpoint}, ("E_MISSING_FIELD", "properties")),
        ({"properties": names}, ("E_MISSING_FIELD", "endpoints")),
        ({"properties": ["priv:no-such"], "endpoints": endpoint}, ("E_INVALID_FIELD_VALUE", "properties", "priv:no-such")),
        ({"properties": names, "endpoints": ["ipv4:192.0.2.300"]}, ("E_INVALID_FIELD_VALUE", "endpoints", "ipv4:192.0.2.300")),
        ({"properties": names, "endpoints": ["192.0.2.1"]}, ("E_INVALID_FIELD_VALUE", "endpoints", "192.0.2.1")),
        ({"properties": names, "endpoints": "ipv4:192.0.2.1"}, ("E_INVALID_FIELD_TYPE", "endpoints")),
        ({"properties": [7], "endpoints": endpoint}, ("E_INVALID_FIELD_VALUE", "properties", "7")),
    ):
        client.refusal(resource, question, *expected)
    holds("no property", names)


PROPERTIES = [
    ("RFC 7285 §11.4.1.6", "PIDs by the longest prefix", pids),
    ("RFC 7285 §11.4.1.6", "PIDs of all network maps together", pids_of_all),
    ("RFC 7285 §11.4.1.6", "other properties", other_properties),
    ("RFC 7285 §8.5.2", "wrong questions and their errors", wrong_properties),
]
