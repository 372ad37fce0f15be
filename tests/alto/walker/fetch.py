"""What is fetched by GET: negotiation, conditions, the other methods (RFC 7285 section 8.3, RFC 9110)."""

from email.utils import parsedate_to_datetime

from . import wire
from .faults import Absent, Fault, holds, same


def any_address(view, resource):
    """GET with whatever a client may accept."""
    for accept in ({}, {"accept": "*/*"}, {"accept": "application/*"}, {"accept": resource.media_type}):
        answer = view.client.ask("GET", resource.url, 200, **accept)
        view.client.read(answer, resource.media_type)
        same("Content-Length", int(answer.headers["content-length"]), len(answer.content))


def compressed(view, resource):
    plain, packed = both(view, resource)
    holds("gzip was asked for", packed.headers.get("content-encoding") == "gzip")
    holds("nothing was asked for", "content-encoding" not in plain.headers)
    same("what was compressed", packed.content, plain.content)
    for answer in (plain, packed):
        names = [name.strip().lower() for name in answer.headers.get("vary", "").split(",")]
        holds(f"Vary is {names}", "accept-encoding" in names or "*" in names)


def both(view, resource):
    document = view.document(resource)
    answers = [view.client.ask("GET", resource.url, 200, accept_encoding=coding) for coding in ("identity", "gzip")]
    for answer in answers:
        if wire.parse(answer.content) != document:
            # The next try sees the new one.
            view.document(resource)
    return answers


def conditional(view, resource):
    plain, packed = both(view, resource)
    tags = [answer.headers.get("etag") for answer in (plain, packed)]
    if None in tags:
        raise Absent("no ETag")
    for tag in tags:
        holds(f"ETag is {tag}", tag.startswith('"') and tag.endswith('"') and len(tag) > 2)
    holds("two codings have one ETag", tags[0] != tags[1])
    for tag, coding in zip(tags, ("identity", "gzip"), strict=True):
        for fields in ({"if_none_match": tag}, {"if_none_match": f'"other", {tag}'}):
            same_as = view.client.ask("GET", resource.url, 304, accept_encoding=coding, **fields)
            same("the body of 304", same_as.content, b"")
            same("ETag of 304", same_as.headers.get("etag"), tag)
    view.client.ask("GET", resource.url, 200, if_none_match='"other"')


def head(view, resource):
    view.document(resource)
    answers = [view.client.ask(method, resource.url, 200, accept_encoding="identity") for method in ("GET", "HEAD")]
    same("the body of HEAD", answers[1].content, b"")
    for name in ("content-type", "etag", "content-length", "last-modified"):
        same(f"{name} of HEAD", answers[1].headers.get(name), answers[0].headers.get(name))


def other_methods(view, resource):
    """A resource that is fetched is not asked, and the other way round (RFC 7285 section 9.2.2)."""
    wrong, right = ("POST", "GET") if resource.accepts is None else ("GET", "POST")
    shared = [each.accepts for each in view.directory.resources.values() if each.url == resource.url]
    for method in (wrong, "DELETE", "PUT"):
        if method == wrong and len(shared) > 1:
            continue
        answer = view.client.ask(method, resource.url, 405, b"{}" if method != "GET" else None)
        holds(f"405 to {method} allows {answer.headers.get('allow')}", right in allowed(answer))
    holds("OPTIONS", right in allowed(view.client.ask("OPTIONS", resource.url, (200, 204))))


def allowed(answer):
    return [name.strip() for name in answer.headers.get("allow", "").split(",")]


def not_acceptable(view, resource):
    for accept in ("text/html", wire.ERROR):
        answer = view.client.ask("GET", resource.url, 406, accept=accept)
        holds("406 is no error of ALTO", answer.headers.get("content-type") != wire.ERROR)


def dates(view, resource):
    """RFC 9439 section 6.2: the time of the newest measurement, and when there is something newer."""
    view.document(resource)
    answer = view.client.ask("GET", resource.url, 200)
    now = moment(answer, "date")
    if "last-modified" not in answer.headers:
        raise Absent("no Last-Modified")
    if moment(answer, "last-modified") > now:
        raise Fault("it was measured in the future")
    if "expires" in answer.headers:
        holds("it has expired already", moment(answer, "expires") >= now)


def moment(answer, name):
    when = parsedate_to_datetime(answer.headers[name])
    holds(f"{name} is not GMT", answer.headers[name].endswith(" GMT"))
    return when


def version(view, resource):
    """The version of what was fetched, and of what it depends on (RFC 7285 sections 11.2.1.6, 11.2.3.6; RFC 9240 section 7.6)."""
    meta = view.document(resource)["meta"]
    if "vtag" in meta:
        same("vtag/resource-id", meta["vtag"]["resource-id"], resource.id)
    if resource.uses:
        expected = [view.network_map(name)["meta"]["vtag"] for name in resource.uses]
        same("dependent-vtags", meta.get("dependent-vtags"), expected)


def cost_map(view, resource):
    """RFC 7285 section 11.2.3.6: the cost type that was announced, PIDs of the network map, and nothing for nothing."""
    document = view.document(resource)
    same("cost-type", without_words(document["meta"]["cost-type"]), without_words(resource.cost_type(resource.names()[0])))
    pids = view.network_map(resource.uses[0])["network-map"]
    for source, row in document["cost-map"].items():
        holds(f"{source} and its destinations are not all of the network map", {source, *row} <= set(pids))


def without_words(cost_type):
    return {name: value for name, value in cost_type.items() if name != "description"}


def network_map(view, resource):
    """RFC 7285 section 11.2.2: complete, and no prefix twice."""
    found = view.document(resource)["network-map"]
    for family, everything in (("ipv4", "0.0.0.0/0"), ("ipv6", "::/0")):
        prefixes = [prefix for group in found.values() for prefix in group.get(family, [])]
        holds(f"no PID has {everything}", not prefixes or everything in prefixes)
        same(f"prefixes of {family} that stand twice", len(prefixes) - len(set(prefixes)), 0)


ALL = [
    ("RFC 7285 §8.3", "GET, its media type and its schema", any_address),
    ("RFC 9110 §12.5.3", "compressed if asked for", compressed),
    ("RFC 9110 §13.1.2", "304 if nothing has changed", conditional),
    ("RFC 9110 §9.3.2", "HEAD", head),
    ("RFC 9110 §12.5.1", "406 for media types that it has not", not_acceptable),
]
METHODS = ("RFC 7285 §9.2.2", "405 for other methods", other_methods)
VERSION = ("RFC 7285 §6.3", "its version, and of what it depends on", version)
BY_TYPE = {
    wire.COST_MAP: [
        ("RFC 7285 §11.2.3.6", "its cost type, and PIDs of its network map", cost_map),
        ("RFC 9439 §6.2", "when it was measured", dates),
    ],
    wire.NETWORK_MAP: [("RFC 7285 §11.2.2", "complete, and no prefix twice", network_map)],
}
