"""The maps, and what questions and answers are made of."""

import hashlib
import ipaddress
import json

from walker import schemas

BASE = "https://alto.example.net"
NETWORK_MAP = {
    "PID1": {"ipv4": ["192.0.2.0/24", "198.51.100.0/25"]},
    "PID2": {"ipv4": ["198.51.100.128/25"], "ipv6": ["2001:db8::/32"]},
    "PID3": {"ipv4": ["0.0.0.0/0"], "ipv6": ["::/0"]},
}
COSTS = {
    "routingcost": {"PID1": {"PID1": 1, "PID2": 4, "PID3": 10}, "PID2": {"PID1": 15, "PID2": 1}, "PID3": {"PID1": 20, "PID3": 1}},
    "priv:t-shoe": {
        "PID1": {"PID1": 0, "PID2": 3, "PID3": 2},
        "PID2": {"PID1": 5, "PID2": 0, "PID3": 9},
        "PID3": {"PID1": 12, "PID2": 1, "PID3": 0},
    },
    "tput": {"PID1": {"PID2": 1650000, "PID3": 1275000.5}, "PID2": {"PID3": 1425000}, "PID3": {"PID3": 1537500}},
}
TIMED = "routingcost"
INTERVALS = 24
PROPERTIES = {"nm.pid:PID1": {".priv:t-isp": "BitsRus"}, "nm.pid:PID2": {".priv:t-isp": "BitsRus", ".priv:t-tech": "fibre"}}


class Refused(Exception):
    def __init__(self, code, field=None, value=None):
        super().__init__(code)
        self.meta = {"code": code} | ({"field": field} if field else {}) | ({"value": value} if value is not None else {})


def tag(data):
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def name_of(metric, mode):
    return metric.replace(":", "-") + ("-ordinal" if mode == "ordinal" else "")


def entry(uri, media_type, accepts, capabilities=None, uses=None):
    found = {"uri": uri, "media-type": f"application/alto-{media_type}+json"}
    if accepts:
        found["accepts"] = f"application/alto-{accepts}+json"
    return found | ({"capabilities": capabilities} if capabilities else {}) | ({"uses": uses} if uses else {})


def acceptable(accept, media_type):
    return accept is None or any(each in accept for each in ("*/*", f"{media_type.split('/')[0]}/*", media_type))


def body_of(request):
    try:
        body = json.loads(request.content)
    except (ValueError, RecursionError):
        raise Refused("E_SYNTAX") from None
    if not isinstance(body, dict):
        raise Refused("E_INVALID_FIELD_TYPE", "body")
    return body


def texts(body, name, needed=True, path=""):
    if name not in body:
        if needed:
            raise Refused("E_MISSING_FIELD", path + name)
        return None
    if not isinstance(body[name], list):
        raise Refused("E_INVALID_FIELD_TYPE", path + name)
    for each in body[name]:
        if not isinstance(each, str):
            raise Refused("E_INVALID_FIELD_VALUE", path + name, str(each))
    return body[name]


def addresses(body, name, path, needed=False):
    found = texts(body, name, needed, path) or []
    for each in found:
        try:
            schemas.endpoint(each)
        except ValueError:
            raise Refused("E_INVALID_FIELD_VALUE", path + name, each) from None
    return found


def ranked(cells, kind):
    order = sorted(set(cells.values()), reverse=kind["cost-metric"] == "tput")
    return {pair: order.index(value) + 1 for pair, value in cells.items()}


def pieces(text, family, lookup):
    """A prefix cut where another PID begins."""
    net = ipaddress.ip_network(text)
    inner = [ipaddress.ip_network(p) for g in NETWORK_MAP.values() for p in g.get(family, [])]
    if not any(each.version == net.version and each != net and each.subnet_of(net) for each in inner):
        return [(text, lookup.pid(f"{family}:{net.network_address}"))]
    return [found for half in net.subnets() for found in pieces(str(half), family, lookup)]


def patch(before, after):
    """A merge patch (RFC 7396)."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return after
    gone = {name: None for name in before if name not in after}
    return gone | {name: patch(before.get(name), after[name]) for name in after if before.get(name) != after[name]}
