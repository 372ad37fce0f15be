"""The schemas of all media types, ours and strict: what a client may ignore (RFC 7285 section 8.3.7) is still a fault here."""

import functools
import ipaddress
import json
import re
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import best_match
from referencing import Registry, Resource

from .faults import Fault

FOLDER = Path(__file__).parent.parent / "schemas"
FORMATS = FormatChecker(formats=())
ENTITY = re.compile(r"^[A-Za-z0-9:@_-]{1,64}\.pid:[A-Za-z0-9:@_-]{1,64}$")


@FORMATS.checks("ipv4-prefix", raises=ValueError)
def ipv4_prefix(text):
    return not isinstance(text, str) or str(ipaddress.IPv4Network(text)) == text


@FORMATS.checks("ipv6-prefix", raises=ValueError)
def ipv6_prefix(text):
    return not isinstance(text, str) or str(ipaddress.IPv6Network(text)) == text


@FORMATS.checks("endpoint", raises=ValueError)
def endpoint(text):
    """Any text of an address is allowed (RFC 7285 section 10.4): keys are spelled as the client did."""
    if not isinstance(text, str):
        return True
    kind, _, address = text.partition(":")
    if "%" in address:
        return False
    {"ipv4": ipaddress.IPv4Address, "ipv6": ipaddress.IPv6Address}.get(kind, refuse)(address)
    return True


@FORMATS.checks("entity", raises=ValueError)
def entity(text):
    """An entity of RFC 9240 section 5.1.3: a PID of a network map, an address, or a prefix without host bits."""
    if not isinstance(text, str) or ENTITY.match(text):
        return True
    kind, _, identifier = text.partition(":")
    {"ipv4": ipaddress.IPv4Network, "ipv6": ipaddress.IPv6Network}.get(kind, refuse)(identifier)
    return True


@FORMATS.checks("http-date", raises=(ValueError, TypeError))
def http_date(text):
    return not isinstance(text, str) or format_datetime(parsedate_to_datetime(text), usegmt=True) == text


def refuse(text):
    raise ValueError(f"of no known kind: {text}")


@functools.cache
def registry():
    found = {}
    for path in sorted(FOLDER.glob("*.json")):
        found[path.stem] = json.loads(path.read_text())
    resources = [(f"alto:{name}", Resource.from_contents(schema)) for name, schema in found.items()]
    return found, Registry().with_resources(resources)


@functools.cache
def validator(name):
    found, known = registry()
    Draft202012Validator.check_schema(found[name])
    return Draft202012Validator(found[name], registry=known, format_checker=FORMATS)


def name_of(media_type):
    """The schema of a media type."""
    name = media_type.removeprefix("application/alto-").removesuffix("+json")
    if name not in registry()[0] or name == "common":
        raise Fault(f"no RFC has the media type {media_type!r}")
    return name


def judge(media_type, document):
    """Fails where the document is not as its media type has it."""
    fault = best_match(validator(name_of(media_type)).iter_errors(document))
    if fault is not None:
        place = "/".join(str(part) for part in fault.absolute_path) or "the whole"
        raise Fault(f"{media_type}: {place}: {fault.message[:300]}")
