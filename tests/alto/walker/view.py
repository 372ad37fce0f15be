"""What a server says at one moment: a check that needs several answers is begun again when something was published in between."""

import time

from . import wire
from .faults import Fault
from .reckon import cells

# How often a check is begun again, and after how long.
TRIES = 20
PAUSE_S = 0.15


class View:
    """Reads documents, conditionally, and knows whether what it has read still stands."""

    def __init__(self, client, directory, cache):
        self.client = client
        self.directory = directory
        self.cache = cache
        self.read = {}

    def document(self, resource):
        """What GET gives."""
        known = self.cache.get(resource.url)
        fields = {"if_none_match": known[0]} if known else {}
        answer = self.client.ask("GET", resource.url, (200, 304), accept=f"{resource.media_type},{wire.ERROR}", **fields)
        if answer.status_code == 200:
            tag = answer.headers.get("etag")
            known = (tag, self.client.read(answer, resource.media_type))
            if tag:
                self.cache[resource.url] = known
        before = self.read.setdefault(resource.url, (resource, known[1]))
        if before[1] != known[1]:
            raise Moved
        return known[1]

    def post(self, resource, question):
        return self.client.post(resource, question)

    def still_stands(self):
        """Fails when one of the documents was replaced since it was read."""
        for resource, _ in list(self.read.values()):
            self.document(resource)

    def network_map(self, name):
        return self.document(self.directory.resources[name])

    def watch(self, network_map):
        """Knows from now on whether something else is published of this network map: what has no document of its own is published
        together with what has one."""
        maps = [each for each in self.directory.of(wire.COST_MAP, False) if each.uses == [network_map]]
        for each in maps[:1]:
            self.document(each)

    def costs(self, resource, name):
        """All cells of a cost type: of the cost map if there is one, else of the filtered one without a filter."""
        kind = resource.cost_type(name)
        maps = [each for each in self.directory.of(wire.COST_MAP, False) if each.uses == resource.uses]
        for each in maps:
            if key(each.cost_type(each.names()[0])) == key(kind):
                return cells(self.document(each)["cost-map"])
        return cells(self.post(resource, {"cost-type": kind})["cost-map"])


class Moved(Exception):
    """Something was published meanwhile."""


def key(cost_type):
    return cost_type["cost-metric"], cost_type["cost-mode"]


class Steady:
    """Runs checks on one state of the server each."""

    def __init__(self, client, directory, pause=time.sleep):
        self.client = client
        self.directory = directory
        self.cache = {}
        self.pause = pause

    def run(self, function, *arguments):
        for attempt in range(TRIES):
            view = View(self.client, self.directory, self.cache)
            try:
                result = function(view, *arguments)
                view.still_stands()
                return result
            except Moved:
                self.pause(PAUSE_S * attempt)
            except Exception:
                # A difference counts only between answers of one state.
                if not self.moved(view):
                    raise
                self.pause(PAUSE_S * attempt)
        raise Fault(f"in {TRIES} tries something new was published each time")

    @staticmethod
    def moved(view):
        try:
            view.still_stands()
        except Moved:
            return True
        return False
