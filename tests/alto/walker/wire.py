"""HTTP, as RFC 7285 section 8 and RFC 9110 have it."""

import hashlib
import json
import ssl
import time

import httpx

from . import schemas
from .faults import Fault, same

DIRECTORY = "application/alto-directory+json"
NETWORK_MAP = "application/alto-networkmap+json"
COST_MAP = "application/alto-costmap+json"
ENDPOINT_COST = "application/alto-endpointcost+json"
ENDPOINT_PROPERTY = "application/alto-endpointprop+json"
PROPERTY_MAP = "application/alto-propmap+json"
STREAM = "text/event-stream"
STREAM_PARAMS = "application/alto-updatestreamparams+json"
STREAM_CONTROL = "application/alto-updatestreamcontrol+json"
ERROR = "application/alto-error+json"
# How often a question is put, and how much later at most.
TRIES = 4
LATER_S = 60


def parse(body):
    """JSON in which nothing is left to the reader: no member twice, no number that is none."""

    def once(pairs):
        names = [name for name, _ in pairs]
        if len(names) != len(set(names)):
            raise Fault(f"a member stands twice: {sorted(names)}")
        return dict(pairs)

    def never(text):
        raise Fault(f"{text} is no number of JSON")

    return json.loads(body, object_pairs_hook=once, parse_constant=never)


class Recorded(httpx.SyncByteStream):
    """A stream of bytes; `heard` is told whenever some come, comments of an event stream included."""

    def __init__(self, stream, heard):
        self.stream = stream
        self.heard = heard

    def __iter__(self):
        for chunk in self.stream:
            self.heard(chunk)
            yield chunk

    def close(self):
        self.stream.close()


class Client:
    """A client of one server. `transport` takes the network's place."""

    def __init__(self, ca=None, transport=None, address=None):
        context = ssl.create_default_context(cafile=ca) if ca else True
        self.http = httpx.Client(verify=context, transport=transport, timeout=30, follow_redirects=True)
        self.http.headers.clear()
        self.address = address
        # Documents that were found right, by their sums.
        self.judged = set()

    def request(self, method, url, body=None, **headers):
        """A request with these header fields only, beside those that HTTP itself wants."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        request = self.http.build_request(method, url, content=body, headers=fields)
        for name in ("accept", "accept-encoding", "user-agent", "connection"):
            if name not in fields and name in request.headers:
                del request.headers[name]
        return request

    def send(self, method, url, body, **headers):
        """The answer; asked again where the connection had just been closed (RFC 9112 section 9.3.1: all questions here change
        nothing), and later where the server wants it later (RFC 9110 section 10.2.3)."""
        for attempt in range(TRIES):
            try:
                answer = self.http.send(self.request(method, url, body, **headers))
            except httpx.RemoteProtocolError:
                if attempt:
                    raise
                continue
            after = answer.headers.get("retry-after", "")
            if answer.status_code not in (429, 503) or not after.isdigit() or int(after) > LATER_S:
                break
            time.sleep(int(after))
        return answer

    def ask(self, method, url, expected, body=None, **headers):
        answer = self.send(method, url, body, **headers)
        wanted = expected if isinstance(expected, tuple) else (expected,)
        if answer.status_code not in wanted:
            raise Fault(f"{method} {url}: {answer.status_code}, not {expected}: {answer.text[:300]}")
        return answer

    def read(self, answer, media_type):
        """The document of an answer, after its media type (without parameters) and its schema were checked."""
        same("Content-Type", answer.headers.get("content-type"), media_type)
        known = (media_type, hashlib.sha256(answer.content).digest())
        document = parse(answer.content)
        if known not in self.judged:
            schemas.judge(media_type, document)
            self.judged.add(known)
        return document

    def get(self, url, media_type):
        return self.read(self.ask("GET", url, 200, accept=f"{media_type},{ERROR}"), media_type)

    def post(self, resource, question):
        """The answer to a right question; that the question is one is checked first."""
        schemas.judge(resource.accepts, question)
        answer = self.ask(
            "POST",
            resource.url,
            200,
            json.dumps(question).encode(),
            accept=f"{resource.media_type},{ERROR}",
            content_type=resource.accepts,
        )
        return self.read(answer, resource.media_type)

    def refusal(self, resource, question, code, field=None, value=None):
        """A wrong question, and the error object it must bring (RFC 7285 section 8.5)."""
        body = question if isinstance(question, bytes) else json.dumps(question).encode()
        self.refused(resource.url, resource.accepts, body, code, field, value)

    def refused(self, url, accepts, body, code, field=None, value=None):
        answer = self.ask("POST", url, 400, body, accept=f"*/*,{ERROR}", content_type=accepts)
        told = self.read(answer, ERROR)["meta"]
        what = f"the error to {body[:120]!r}"
        same(f"{what}: code", told["code"], code)
        if field is not None:
            same(f"{what}: field", told.get("field"), field)
        if value is not None:
            same(f"{what}: value", told.get("value"), value)
