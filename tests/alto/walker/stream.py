"""Update streams (RFC 8895): every event is applied to what came before, and the result compared with GET."""

import copy
import json
import queue
import threading
import time
from urllib.parse import urljoin

import httpx
import json_merge_patch
import jsonpatch
from httpx_sse import EventSource

from . import schemas, wire
from .faults import Absent, Fault, holds, same, short

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
# How long an event may take that something has caused, and how long nothing must come.
SOON_S = 10.0
QUIET_S = 1.0
# RFC 8895 section 6.8: a sign of life each 15 s, and a moment for its way.
ALIVE_S = 15.0
GRACE_S = 1.5
# Resources of one stream.
MOST = 10


class Stream:
    """An open stream with the state of its substreams."""

    def __init__(self, client, resource, add, remove=None):
        question = {"add": add} | ({"remove": remove} if remove is not None else {})
        schemas.judge(wire.STREAM_PARAMS, question)
        self.client = client
        self.resource = resource
        self.substreams = {}
        self.documents = {}
        self.history = {}
        self.events = []
        self.controls = []
        self.heard = []
        self.queue = queue.Queue()
        self.learn(add)
        request = client.request(
            "POST",
            resource.url,
            json.dumps(question).encode(),
            accept=f"{wire.STREAM},{wire.ERROR}",
            content_type=wire.STREAM_PARAMS,
        )
        self.response = client.http.send(request, stream=True)
        if self.response.status_code != 200:
            self.response.read()
            raise Fault(f"{self.response.status_code}: {self.response.text[:300]}")
        same("Content-Type", self.response.headers.get("content-type"), wire.STREAM)
        self.response.stream = wire.Recorded(self.response.stream, lambda chunk: self.heard.append(time.monotonic()))
        threading.Thread(target=self.listen, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.control_uri():
            # Whoever leaves says so; that the stream is gone already is all right.
            self.client.ask("POST", self.control_uri(), (202, 204, 404), b'{"remove":[]}', content_type=wire.STREAM_PARAMS)

    def listen(self):
        try:
            for event in EventSource(self.response).iter_sse():
                self.queue.put(event)
        except (httpx.HTTPError, httpx.StreamError) as error:
            self.queue.put(Fault(f"the stream broke off: {error}"))
        finally:
            self.queue.put(None)

    def learn(self, add):
        for name, wanted in add.items():
            self.substreams[name] = wanted

    def control_uri(self):
        uri = next((each["control-uri"] for each in self.controls if "control-uri" in each), None)
        return uri and urljoin(self.resource.url, uri)

    def take(self, seconds):
        """Applies the next event; false when none comes, none when the stream has ended."""
        try:
            event = self.queue.get(timeout=seconds)
        except queue.Empty:
            return False
        if isinstance(event, Fault):
            raise event
        if event is None:
            return None
        self.apply(event)
        return True

    def until(self, done, seconds=None, what="the event"):
        seconds = seconds or SOON_S
        deadline = time.monotonic() + seconds
        while not done():
            left = deadline - time.monotonic()
            taken = self.take(max(left, 0.01))
            if taken is None and not done():
                raise Fault(f"{what}: the stream has ended")
            if taken is False and left <= 0:
                raise Fault(f"{what}: not within {seconds:.0f} s")

    def apply(self, event):
        kind, comma, name = event.event.partition(",")
        data = wire.parse(event.data)
        self.events.append((kind, name))
        if kind == wire.STREAM_CONTROL:
            same("a data id of a control event", comma, "")
            schemas.judge(kind, data)
            self.controls.append(data)
            return
        holds(f"an event before the control event: {event.event}", self.controls)
        holds(f"an event of {name!r}, which was never added", name in self.substreams)
        wanted = self.substreams[name]
        resource = self.client_resource(wanted)
        before = self.documents.get(name)
        if kind in (MERGE_PATCH, JSON_PATCH):
            offered = self.resource.capabilities["incremental-change-media-types"].get(resource.id, "").split(",")
            holds(f"{kind} of {resource.id}, which is not offered", kind in offered)
            holds(f"{name} wants no incremental changes", wanted.get("incremental-changes", True))
            holds(f"a patch of {name}, of which nothing is known", before is not None)
            if kind == MERGE_PATCH:
                after = json_merge_patch.merge(copy.deepcopy(before), data)
            else:
                after = jsonpatch.apply_patch(before, data)
        else:
            same(f"media type of {name}", kind, resource.media_type)
            after = data
        schemas.judge(resource.media_type, after)
        self.check_versions(name, resource, after)
        self.documents[name] = after
        self.history.setdefault(name, []).append(after)

    def client_resource(self, wanted):
        return self.resource.directory.resources[wanted["resource-id"]]

    def check_versions(self, name, resource, document):
        """RFC 8895 section 6.7.1: what is depended on comes first, so it is known here in the very version."""
        for needed in document["meta"].get("dependent-vtags", []):
            for other, held in self.documents.items():
                if self.substreams[other]["resource-id"] == needed["resource-id"] and "tag" not in self.substreams[other]:
                    same(f"{name} depends on {needed['resource-id']}", needed, held["meta"]["vtag"])

    def control(self, **members):
        question = {name: value for name, value in members.items() if value is not None}
        schemas.judge(wire.STREAM_PARAMS, question)
        self.learn(question.get("add", {}))
        body = json.dumps(question).encode()
        return self.client.ask("POST", self.control_uri(), (202, 204), body, content_type=wire.STREAM_PARAMS)

    def told(self, member, names):
        return sorted(names) in [sorted(each.get(member, [])) for each in self.controls]

    def settle(self, name):
        """Applies events until the state is what GET or POST gives; every state of the server that was here too must be equal."""
        wanted = self.substreams[name]
        resource = self.client_resource(wanted)
        deadline = time.monotonic() + SOON_S
        while True:
            current = essence(fetch(self.client, resource, wanted))
            if name in self.documents and current == essence(self.documents[name]):
                return current
            tag = current["vtag"] and current["vtag"]["tag"]
            for past in map(essence, self.history.get(name, [])):
                if tag and past["vtag"] and past["vtag"]["tag"] == tag:
                    same(f"{name} in version {tag}", past, current)
            left = deadline - time.monotonic()
            if left <= 0:
                raise Fault(f"{name}: {short(essence(self.documents.get(name)))} in the stream, but {short(current)} is served")
            if self.take(min(left, 0.5)) is None:
                raise Fault(f"{name}: the stream has ended")


def fetch(client, resource, wanted):
    return client.post(resource, wanted["input"]) if resource.accepts else client.get(resource.url, resource.media_type)


def essence(document):
    """What the RFCs say of a document: its data, its version and those it depends on, its cost types."""
    if document is None:
        return None
    meta = document["meta"]
    return {name: value for name, value in document.items() if name != "meta"} | {
        "vtag": meta.get("vtag"),
        "dependent-vtags": meta.get("dependent-vtags"),
        "cost-type": meta.get("cost-type"),
        "multi-cost-types": meta.get("multi-cost-types"),
    }


def fetched(walk, resource):
    """Resources of a stream that are fetched, what is depended on among them: two network maps at most, and what uses them."""
    resource.directory = walk.directory
    found = [walk.directory.resources[name] for name in resource.uses]
    maps = [each for each in found if each.is_a(wire.NETWORK_MAP, False)][:2]
    ids = {each.id for each in maps}
    more = [each for each in found if each.accepts is None and each.uses and set(each.uses) <= ids]
    if not maps:
        raise Absent("it updates no network map")
    # Of each kind some.
    more = sorted(more, key=lambda each: (more_of(more, each), each.id))
    return maps + more[: MOST - len(maps)]


def more_of(resources, resource):
    same_kind = [each for each in resources if (each.media_type, each.uses) == (resource.media_type, resource.uses)]
    return same_kind.index(resource)


def add(resources, **members):
    return {f"s-{number}": {"resource-id": each.id, **members} for number, each in enumerate(resources)}


def opening(walk, resource):
    """RFC 8895 sections 5.3 and 6.7.1: control first, then everything, what is depended on before what depends on it."""
    resources = fetched(walk, resource)
    # Whatever order the question has.
    wanted = dict(reversed(add(resources).items()))
    with Stream(walk.client, resource, wanted) as stream:
        stream.until(lambda: len(stream.documents) == len(wanted), what="everything that was added")
        same("the first event", stream.events[0], (wire.STREAM_CONTROL, ""))
        same("events with a control URI", sum("control-uri" in each for each in stream.controls), 1)
        for name in wanted:
            stream.settle(name)


def with_tags(walk, resource):
    """RFC 8895 section 8.3: whoever has the current version gets none."""
    maps = [each for each in fetched(walk, resource) if each.media_type == wire.NETWORK_MAP]
    for _ in range(5):
        tags = {each.id: walk.client.get(each.url, each.media_type)["meta"]["vtag"]["tag"] for each in maps}
        wanted = {f"s-{n}": {"resource-id": each.id, "tag": tags[each.id]} for n, each in enumerate(maps)}
        with Stream(walk.client, resource, wanted) as stream:
            stream.until(lambda: stream.controls, what="the control event")
            for _ in iter(lambda: stream.take(QUIET_S), False):
                pass
        if tags == {each.id: walk.client.get(each.url, each.media_type)["meta"]["vtag"]["tag"] for each in maps}:
            same("events", [kind for kind, _ in stream.events], [wire.STREAM_CONTROL])
            return
    raise Absent("the network maps change all the time")


def asked(walk, resource):
    """RFC 8895 section 6.5: a resource that is asked by POST, with the question."""
    resource.directory = walk.directory
    questions = {}
    for each in (walk.directory.resources[name] for name in resource.uses):
        if each.is_a(wire.COST_MAP, True):
            questions[each.id] = {"cost-type": each.cost_type(each.names()[0])}
        elif each.is_a(wire.NETWORK_MAP, True):
            questions[each.id] = {"pids": []}
    if not questions:
        raise Absent("it updates nothing that is asked by POST")
    chosen = dict(sorted(questions.items())[:3])
    needed = {used for name in chosen for used in walk.directory.resources[name].uses}
    wanted = {f"q-{n}": {"resource-id": name, "input": body} for n, (name, body) in enumerate(chosen.items())}
    wanted |= {f"m-{n}": {"resource-id": name} for n, name in enumerate(sorted(needed))}
    with Stream(walk.client, resource, wanted) as stream:
        stream.until(lambda: len(stream.documents) == len(wanted), what="everything that was added")
        for name in wanted:
            stream.settle(name)


def control(walk, resource):
    """RFC 8895 section 7: what is added and removed later, and what must not be."""
    if not resource.capabilities.get("support-stream-control", False):
        raise Absent("no stream control")
    resources = fetched(walk, resource)
    first, more = add(resources[:1]), {"late": {"resource-id": resources[-1].id}}
    with Stream(walk.client, resource, first) as stream:
        stream.until(lambda: stream.documents, what="the first document")
        uri = stream.control_uri()
        holds("no control URI", uri)
        stream.control(add=more)
        stream.until(lambda: stream.told("started", ["late"]) and "late" in stream.documents, what="`started`, and the document")
        stream.settle("late")

        def refused(question, *expected):
            walk.client.refused(uri, wire.STREAM_PARAMS, json.dumps(question).encode(), *expected)

        refused({"remove": ["never-added"]}, "E_INVALID_FIELD_VALUE", "remove", "never-added")
        refused({"add": first}, "E_INVALID_FIELD_VALUE", "add", "s-0")
        refused({"add": {"x": {"resource-id": "no-such"}}}, "E_INVALID_FIELD_VALUE", "add/x/resource-id", "no-such")
        refused({"add": {"x": {"resource-id": resources[0].id}}, "remove": []}, "E_INVALID_FIELD_VALUE", "remove")
        walk.client.ask("POST", uri, 415, b"{}", content_type="application/json")
        stream.control(remove=["late"])
        stream.until(lambda: stream.told("stopped", ["late"]), what="`stopped`")
        stream.control(remove=["late"])
        refused({"add": {"late": {"resource-id": resources[0].id}}}, "E_INVALID_FIELD_VALUE", "add", "late")
        stream.control(remove=[])
        stream.until(lambda: stream.told("stopped", ["s-0"]), what="`stopped` of all")
        deadline = time.monotonic() + SOON_S
        while stream.take(0.5) is not None:
            holds("the stream is still open", time.monotonic() < deadline)
        walk.client.ask("POST", uri, 404, b'{"remove":[]}', content_type=wire.STREAM_PARAMS)


def ends_with_its_last(walk, resource):
    """RFC 8895 section 7.6: to remove the last substream is to close."""
    if not resource.capabilities.get("support-stream-control", False):
        raise Absent("no stream control")
    with Stream(walk.client, resource, add(fetched(walk, resource)[:1])) as stream:
        stream.until(lambda: stream.documents, what="the document")
        stream.control(remove=["s-0"])
        deadline = time.monotonic() + SOON_S
        while stream.take(0.5) is not None:
            holds("the stream is still open", time.monotonic() < deadline)


def wrong_openings(walk, resource):
    """RFC 8895 section 6.6: 400, and no event."""
    name = fetched(walk, resource)[0].id
    client = walk.client
    for question, expected in (
        ({}, ("E_MISSING_FIELD", "add")),
        ({"add": {}}, ("E_MISSING_FIELD", "add")),
        ({"add": {"x": {}}}, ("E_MISSING_FIELD", "add/x/resource-id")),
        ({"add": {"x": {"resource-id": "no-such"}}}, ("E_INVALID_FIELD_VALUE", "add/x/resource-id", "no-such")),
        ({"add": []}, ("E_INVALID_FIELD_TYPE", "add")),
        ({"add": {"x": {"resource-id": name, "incremental-changes": "no"}}}, ("E_INVALID_FIELD_TYPE",)),
    ):
        client.refusal(resource, question, *expected)
    for each in (walk.directory.resources[name] for name in resource.uses):
        if each.is_a(wire.NETWORK_MAP, True):
            # What the resource itself says to nothing: a syntax error, or a missing field.
            body = json.dumps({"add": {"x": {"resource-id": each.id}}}).encode()
            client.read(client.ask("POST", resource.url, 400, body, content_type=wire.STREAM_PARAMS), wire.ERROR)
            client.refusal(resource, {"add": {"x": {"resource-id": each.id, "input": {}}}}, "E_MISSING_FIELD")
            break


def changes(walk, resource):
    """RFC 8895 section 5.2: what changes while the stream is open, by patches and in full."""
    resources = fetched(walk, resource)
    wanted = add(resources) | {
        f"f-{n}": {"resource-id": each.id, "incremental-changes": False} for n, each in enumerate(resources)
    }
    with Stream(walk.client, resource, wanted) as stream:
        stream.until(lambda: len(stream.documents) == len(wanted), what="everything that was added")
        known = {name: len(states) for name, states in stream.history.items()}
        walk.say("open")

        def changed():
            return [n for n in range(len(resources)) if all(more(f"{kind}-{n}") for kind in "sf")]

        def more(name):
            return len(stream.history[name]) > known[name]

        stream.until(changed, walk.changes_s, "a change, by a patch and in full")
        for name in wanted:
            stream.settle(name)
        patched = [name for kind, name in stream.events if kind in (MERGE_PATCH, JSON_PATCH)]
        holds("nothing came as a patch", patched or not resource.capabilities["incremental-change-media-types"])
        walk.note(f"{len(patched)} patches replayed, {len(stream.events) - len(patched)} other events")


def signs_of_life(walk, resource):
    """RFC 8895 section 6.8."""
    with Stream(walk.client, resource, add(fetched(walk, resource)[:1])) as stream:
        stream.until(lambda: stream.documents, what="the document")
        time.sleep(ALIVE_S + GRACE_S)
        heard = [*stream.heard, time.monotonic()]
        longest = max(after - before for before, after in zip(heard, heard[1:], strict=False))
        holds(f"silent for {longest:.1f} s", longest < ALIVE_S + GRACE_S)


CHECKS = [
    ("RFC 8895 §6.7.1", "opening: control, then all, in order", opening),
    ("RFC 8895 §8.3", "opening with current tags", with_tags),
    ("RFC 8895 §6.5", "resources that are asked by POST", asked),
    ("RFC 8895 §7.6", "stream control", control),
    ("RFC 8895 §7.6", "the last substream closes the stream", ends_with_its_last),
    ("RFC 8895 §6.6", "wrong openings and their errors", wrong_openings),
]


def checks(walk):
    """The checks, and those that take their time if they are wanted."""
    more = []
    if walk.changes_s:
        more.append(("RFC 8895 §5.2", "changes, replayed and compared with GET", changes))
    if walk.idle:
        more.append(("RFC 8895 §6.8", "signs of life", signs_of_life))
    return CHECKS + more
