"""Directories, and what they say of each other (RFC 7285 section 9)."""

from urllib.parse import urljoin

from . import wire
from .faults import Fault, holds, same

# A server that links more has a circle of its own making.
MOST = 64


class Resource:
    def __init__(self, name, entry, base, cost_types):
        self.id = name
        self.entry = entry
        self.url = urljoin(base, entry["uri"])
        self.media_type = entry["media-type"]
        self.accepts = entry.get("accepts")
        self.capabilities = entry.get("capabilities", {})
        self.uses = entry.get("uses", [])
        self.cost_types = cost_types

    def is_a(self, media_type, asked):
        return self.media_type == media_type and (self.accepts is not None) == asked

    def names(self):
        return self.capabilities.get("cost-type-names", [])

    def cost_type(self, name):
        return self.cost_types[name]


class Directory:
    """The root directory with all that it links to."""

    def __init__(self, client, url):
        self.root = client.get(url, wire.DIRECTORY)
        self.resources = {}
        self.twice = []
        self.documents = {}
        open_urls = [(url, self.root)]
        while open_urls:
            base, document = open_urls.pop()
            if base in self.documents:
                continue
            if len(self.documents) == MOST:
                raise Fault(f"more than {MOST} directories")
            self.documents[base] = document
            types = document["meta"].get("cost-types", {})
            for name, entry in document["resources"].items():
                resource = Resource(name, entry, base, types)
                if name in self.resources:
                    self.twice.append(name)
                self.resources[name] = resource
                if resource.media_type == wire.DIRECTORY and resource.url not in self.documents:
                    open_urls.append((resource.url, client.get(resource.url, wire.DIRECTORY)))

    def of(self, media_type, asked):
        found = [each for each in self.resources.values() if each.is_a(media_type, asked)]
        return sorted(found, key=lambda each: each.id)

    def default_map(self):
        return self.root["meta"]["default-alto-network-map"]

    def map_of_endpoints(self, resource):
        """The network map behind endpoint costs: no RFC lets a directory say so; it is the one whose id its id begins with, else
        the default."""
        maps = [each.id for each in self.of(wire.NETWORK_MAP, False) if resource.id.startswith(f"{each.id}-")]
        return self.resources[max(maps, key=len, default=self.default_map())]


def root_names_a_default_map(directory):
    name = directory.default_map()
    holds(f"{name} is no network map", name in directory.resources)
    holds(f"{name} is no network map", directory.resources[name].is_a(wire.NETWORK_MAP, False))


def ids_are_unique(directory):
    same("ids that stand twice in the closure", directory.twice, [])
    places = [(each.url, each.accepts is None) for each in directory.resources.values()]
    same("resources of one method at one URI", len(places) - len(set(places)), 0)


def uses_resolve(directory):
    for each in directory.resources.values():
        for name in each.uses:
            holds(f"{each.id} uses {name}, which is not there", name in directory.resources)
            holds(f"{each.id} uses itself", name != each.id)
        if each.media_type == wire.COST_MAP or each.is_a(wire.NETWORK_MAP, True):
            [used] = each.uses
            holds(f"{each.id} uses {used}, which is no network map", directory.resources[used].is_a(wire.NETWORK_MAP, False))


def cost_types_resolve(directory):
    for each in directory.resources.values():
        keys = []
        for name in each.names():
            holds(f"{each.id} names the cost type {name}, which its directory does not have", name in each.cost_types)
            kind = each.cost_type(name)
            keys.append((kind["cost-metric"], kind["cost-mode"]))
        # RFC 9439 section 3.1: a context does not tell two cost types apart.
        same(f"{each.id}: cost types of one metric and mode", len(keys) - len(set(keys)), 0)
        testable = each.capabilities.get("testable-cost-type-names", [])
        same(f"{each.id}: testable, but no cost types of it", [name for name in testable if name not in each.names()], [])
        timed = [name for each_kind in each.capabilities.get("calendar-attributes", []) for name in each_kind["cost-type-names"]]
        same(f"{each.id}: calendars of a cost type", len(timed) - len(set(timed)), 0)
        same(f"{each.id}: calendars of foreign cost types", [name for name in timed if name not in each.names()], [])


def one_cost_map_each(directory):
    seen = {}
    for each in directory.of(wire.COST_MAP, False):
        kind = each.cost_type(each.names()[0])
        key = (each.uses[0], kind["cost-metric"], kind["cost-mode"])
        holds(f"{each.id} and {seen.get(key)} are cost maps of one kind", key not in seen)
        seen[key] = each.id


def routing_cost_is_there(directory):
    modes = {
        kind["cost-mode"]
        for each in directory.of(wire.COST_MAP, False)
        if each.uses == [directory.default_map()]
        for kind in [each.cost_type(each.names()[0])]
        if kind["cost-metric"] == "routingcost"
    }
    holds("there is no cost map of routingcost", modes)


def pid_is_offered(directory):
    offered = {name for each in directory.of(wire.ENDPOINT_PROPERTY, True) for name in each.capabilities["prop-types"]}
    maps = {f"{each.id}.pid" for each in directory.of(wire.NETWORK_MAP, False)}
    same("network maps whose property pid is not offered", sorted(maps - offered), [])
    same("properties of network maps that are not there", sorted(n for n in offered - maps if n.endswith(".pid")), [])


def mappings_resolve(directory):
    for each in directory.of(wire.PROPERTY_MAP, False) + directory.of(wire.PROPERTY_MAP, True):
        for domain, properties in each.capabilities["mappings"].items():
            names = [name.partition(".")[0] for name in [domain, *properties] if "." in name]
            for name in filter(None, names):
                holds(f"{each.id}: {name} is not there", name in directory.resources)
                holds(f"{each.id}: {name} is not among what it uses", name in each.uses)


def streams_resolve(directory):
    for each in directory.of(wire.STREAM, True):
        changes = each.capabilities["incremental-change-media-types"]
        same(f"{each.id}: changes of what is not updated", sorted(set(changes) - set(each.uses)), [])
        for name in each.uses:
            for needed in directory.resources[name].uses:
                holds(f"{each.id}: updates {name}, but not {needed} that it uses", needed in each.uses)


CHECKS = [
    ("RFC 7285 §9.2.2", "the default network map is there", root_names_a_default_map),
    ("RFC 7285 §9.1", "every id and every URI stands once", ids_are_unique),
    ("RFC 7285 §9.2.3", "what is used is there", uses_resolve),
    ("RFC 7285 §9.2.2", "cost types are defined, once, and testable and calendars are of them", cost_types_resolve),
    ("RFC 7285 §11.2.3.5", "a cost map of each kind at most", one_cost_map_each),
    ("RFC 7285 §11.2.3", "a cost map of routingcost", routing_cost_is_there),
    ("RFC 7285 §7.1.1", "the property pid of every network map", pid_is_offered),
    ("RFC 9240 §7.4", "domains and properties are of resources that are used", mappings_resolve),
    ("RFC 8895 §6.4", "what streams update is there, and what that needs", streams_resolve),
]
