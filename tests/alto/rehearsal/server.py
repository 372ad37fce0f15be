"""What it has, and how it answers."""

import gzip
import json
from email.utils import formatdate
from urllib.parse import urlsplit

import httpx

from walker import reckon, schemas, wire
from walker.lookup import Lookup

from .parts import (
    COSTS,
    INTERVALS,
    NETWORK_MAP,
    PROPERTIES,
    TIMED,
    Refused,
    acceptable,
    addresses,
    body_of,
    entry,
    name_of,
    pieces,
    ranked,
    tag,
    texts,
)
from .stream import Open


class Server:
    """`tamper` may change an answer before it is sent: method, path, status, document; it gives a document."""

    def __init__(self, tamper=None):
        self.costs = json.loads(json.dumps(COSTS))
        self.tamper = tamper or (lambda method, path, status, document: document)
        self.streams = {}
        self.types = {
            name_of(metric, mode): {"cost-metric": metric, "cost-mode": mode}
            for metric in COSTS
            for mode in ("numerical", "ordinal")
        }

    # What it has.

    def vtag(self, name):
        data = NETWORK_MAP if name == "nm" else self.rows(name.removeprefix("nm-"))
        return {"resource-id": name, "tag": tag(data)}

    def rows(self, name, keep=None):
        kind = self.types[name]
        found = reckon.cells(self.costs[kind["cost-metric"]])
        found = {pair: value for pair, value in found.items() if keep is None or keep(pair)}
        return reckon.rows(ranked(found, kind) if kind["cost-mode"] == "ordinal" else found)

    def directory(self):
        fcm = {
            "cost-type-names": sorted(self.types),
            "max-cost-types": 4,
            "testable-cost-type-names": [n for n in sorted(self.types) if not n.endswith("-ordinal")],
            "calendar-attributes": [{"cost-type-names": [TIMED], "time-interval-size": 3600, "number-of-intervals": INTERVALS}],
        }
        resources = {
            "nm": {"uri": "networkmap/nm", "media-type": wire.NETWORK_MAP},
            "nm-filter": entry("networkmap/nm", "networkmap", "networkmapfilter", uses=["nm"]),
            "nm-costs": entry("costmap/nm", "costmap", "costmapfilter", fcm, ["nm"]),
            "nm-ends": entry("endpointcost/nm", "endpointcost", "endpointcostparams", fcm),
            "endpoint-property": entry(
                "endpointprop", "endpointprop", "endpointpropparams", {"prop-types": ["nm.pid", "priv:t-isp"]}
            ),
            "nm-properties": entry(
                "propmap/nm", "propmap", None, {"mappings": {"nm.pid": [".priv:t-isp", ".priv:t-tech"]}}, ["nm"]
            ),
            "nm-property-filter": entry(
                "propmap/filter",
                "propmap",
                "propmapparams",
                {"mappings": {"nm.pid": [".priv:t-isp", ".priv:t-tech"], "ipv4": ["nm.pid"], "ipv6": ["nm.pid"]}},
                ["nm"],
            ),
        }
        for name in self.types:
            resources[f"nm-{name}"] = entry(f"costmap/{name}", "costmap", None, {"cost-type-names": [name]}, ["nm"])
        updated = [name for name, each in resources.items() if "accepts" not in each] + ["nm-costs"]
        resources["updates"] = {
            "uri": "updates",
            "media-type": wire.STREAM,
            "accepts": wire.STREAM_PARAMS,
            "uses": updated,
            "capabilities": {
                "incremental-change-media-types": {n: "application/merge-patch+json" for n in updated if "ordinal" not in n},
                "support-stream-control": True,
            },
        }
        resources["more"] = {"uri": "more/", "media-type": wire.DIRECTORY}
        return {"meta": {"cost-types": self.types, "default-alto-network-map": "nm"}, "resources": resources}

    def documents(self):
        found = {
            "": (wire.DIRECTORY, self.directory()),
            "more/": (wire.DIRECTORY, {"meta": {}, "resources": {}}),
            "networkmap/nm": (wire.NETWORK_MAP, {"meta": {"vtag": self.vtag("nm")}, "network-map": NETWORK_MAP}),
            "propmap/nm": (wire.PROPERTY_MAP, {"meta": {"dependent-vtags": [self.vtag("nm")]}, "property-map": PROPERTIES}),
        }
        for name, kind in self.types.items():
            meta = {"cost-type": kind, "dependent-vtags": [self.vtag("nm")], "vtag": self.vtag(f"nm-{name}")}
            found[f"costmap/{name}"] = (wire.COST_MAP, {"meta": meta, "cost-map": self.rows(name)})
        return found

    def questions(self):
        return {
            "networkmap/nm": ("networkmapfilter", wire.NETWORK_MAP, self.filter_network),
            "costmap/nm": (
                "costmapfilter",
                wire.COST_MAP,
                lambda body: self.filter_costs(body, "pids", "cost-map", self.between_pids),
            ),
            "endpointcost/nm": (
                "endpointcostparams",
                wire.ENDPOINT_COST,
                lambda body: self.filter_costs(body, "endpoints", "endpoint-cost-map", self.between_endpoints),
            ),
            "endpointprop": ("endpointpropparams", wire.ENDPOINT_PROPERTY, self.endpoint_properties),
            "propmap/filter": ("propmapparams", wire.PROPERTY_MAP, self.filter_properties),
            "updates": ("updatestreamparams", wire.STREAM, None),
        }

    def change(self):
        """Publishes something new."""
        self.costs["routingcost"]["PID1"]["PID2"] += 5
        self.costs["routingcost"]["PID3"]["PID3"] = 1 if "PID3" not in self.costs["routingcost"]["PID3"] else 2
        self.costs["routingcost"]["PID3"].pop("PID1", None)
        for stream in list(self.streams.values()):
            stream.publish()

    # How it answers.

    def handle(self, request):
        parts = urlsplit(str(request.url))
        path, method, fields = parts.path.removeprefix("/"), request.method, request.headers
        if path.startswith("control/"):
            return self.control(path, request)
        documents, questions = self.documents(), self.questions()
        allow = [m for m, known in (("GET", documents), ("POST", questions)) if path in known]
        if not allow:
            return httpx.Response(404)
        if method == "OPTIONS":
            return httpx.Response(204, headers={"allow": ", ".join(allow)})
        if ("GET" if method == "HEAD" else method) not in allow:
            return httpx.Response(405, headers={"allow": ", ".join(allow)})
        if method == "POST":
            return self.asked(path, *questions[path], request)
        media_type, document = documents[path]
        if not acceptable(fields.get("accept"), media_type):
            return httpx.Response(406)
        body = json.dumps(self.tamper("GET", path, 200, document)).encode()
        etag, headers = (
            tag(body.decode()),
            {"content-type": media_type, "vary": "Accept-Encoding", "date": formatdate(usegmt=True)},
        )
        if fields.get("accept-encoding") == "gzip":
            body, etag, headers["content-encoding"] = gzip.compress(body, mtime=0), f"{etag}-gzip", "gzip"
        headers |= {"etag": f'"{etag}"', "last-modified": formatdate(0, usegmt=True)}
        if f'"{etag}"' in fields.get("if-none-match", ""):
            return httpx.Response(304, headers=headers)
        headers["content-length"] = str(len(body))
        return httpx.Response(200, headers=headers, content=b"" if method == "HEAD" else body)

    def asked(self, path, accepts, media_type, answer, request):
        if request.headers.get("content-type") != f"application/alto-{accepts}+json":
            return httpx.Response(415)
        if not acceptable(request.headers.get("accept"), media_type):
            return httpx.Response(406)
        try:
            body = body_of(request)
            if media_type == wire.STREAM:
                return Open(self, body).response
            document = answer(body)
        except Refused as refused:
            return self.said("POST", path, 400, wire.ERROR, {"meta": refused.meta})
        return self.said("POST", path, 200, media_type, document)

    def said(self, method, path, status, media_type, document):
        document = self.tamper(method, path, status, document)
        return httpx.Response(status, headers={"content-type": media_type}, content=json.dumps(document).encode())

    def filter_network(self, body):
        pids = texts(body, "pids")
        families = texts(body, "address-types", needed=False)
        found = {pid: group for pid, group in NETWORK_MAP.items() if not pids or pid in pids}
        if families:
            found = {pid: {f: group[f] for f in group if f in families} for pid, group in found.items()}
        return {"meta": {"vtag": self.vtag("nm")}, "network-map": found}

    def between_pids(self, body, kind):
        ends = body.get("pids", {})
        if not isinstance(ends, dict):
            raise Refused("E_INVALID_FIELD_TYPE", "pids")
        srcs, dsts = (texts(ends, side, needed=False, path="pids/") for side in ("srcs", "dsts"))
        return reckon.picked(reckon.cells(self.costs[kind["cost-metric"]]), srcs, dsts)

    def between_endpoints(self, body, kind):
        if "endpoints" not in body:
            raise Refused("E_MISSING_FIELD", "endpoints")
        ends = body["endpoints"]
        if not isinstance(ends, dict):
            raise Refused("E_INVALID_FIELD_TYPE", "endpoints")
        srcs, dsts = (addresses(ends, side, "endpoints/") for side in ("srcs", "dsts"))
        if not srcs and not dsts:
            raise Refused("E_INVALID_FIELD_VALUE", "endpoints")
        lookup, costs, found = Lookup(NETWORK_MAP), self.costs[kind["cost-metric"]], {}
        for source in srcs or ["ipv4:198.51.100.7"]:
            for to in dsts or ["ipv4:198.51.100.7"]:
                for pair in [(a, b) for a in (lookup.pid(source), "PID3") for b in (lookup.pid(to), "PID3")]:
                    value = costs.get(pair[0], {}).get(pair[1])
                    if value is not None:
                        found[source, to] = value
                        break
        return found

    def filter_costs(self, body, ends, member, between):
        if "cost-type" in body and "multi-cost-types" in body:
            raise Refused("E_INVALID_FIELD_VALUE", "multi-cost-types")
        several = "multi-cost-types" in body
        if several:
            kinds = body["multi-cost-types"]
            if not 1 <= len(kinds) <= 4:
                raise Refused("E_INVALID_FIELD_VALUE", "multi-cost-types")
        else:
            kinds = [self.kind(body)]
        maps = [between(body, kind) for kind in kinds]
        calendared = body.get("calendared", [False] * len(kinds))
        if not isinstance(calendared, list):
            raise Refused("E_INVALID_FIELD_TYPE", "calendared")
        if len(calendared) != len(kinds):
            raise Refused("E_INVALID_FIELD_VALUE", "calendared")
        timed = [asked and kind == self.types[TIMED] for asked, kind in zip(calendared, kinds, strict=True)]
        keep = self.passing(body, kinds, between) if not any(timed) else None
        maps = [{p: v for p, v in each.items() if keep is None or p in keep} for each in maps]
        maps = [ranked(each, kind) if kind["cost-mode"] == "ordinal" else each for each, kind in zip(maps, kinds, strict=True)]
        maps = [{p: [v] * INTERVALS for p, v in each.items()} if t else each for each, t in zip(maps, timed, strict=True)]
        meta = {"cost-type": {} if several else kinds[0]}
        if several:
            meta["multi-cost-types"] = kinds
        if any(timed):
            meta["calendar-response-attributes"] = [
                {
                    "cost-type-names": [TIMED],
                    "calendar-start-time": formatdate(0, usegmt=True),
                    "time-interval-size": 3600,
                    "number-of-intervals": INTERVALS,
                }
            ]
        if ends == "pids":
            meta["dependent-vtags"] = [self.vtag("nm")]
        return {"meta": meta, member: reckon.rows(reckon.together(maps) if several else maps[0])}

    def kind(self, body):
        if "cost-type" not in body:
            raise Refused("E_MISSING_FIELD", "cost-type")
        kind = body["cost-type"]
        if not isinstance(kind, dict):
            raise Refused("E_INVALID_FIELD_TYPE", "cost-type")
        for name in ("cost-metric", "cost-mode"):
            if name not in kind:
                raise Refused("E_MISSING_FIELD", f"cost-type/{name}")
            if not isinstance(kind[name], str):
                raise Refused("E_INVALID_FIELD_TYPE", f"cost-type/{name}")
        if kind["cost-metric"] not in COSTS:
            raise Refused("E_INVALID_FIELD_VALUE", "cost-type/cost-metric", kind["cost-metric"])
        if kind["cost-mode"] not in ("numerical", "ordinal"):
            raise Refused("E_INVALID_FIELD_VALUE", "cost-type/cost-mode", kind["cost-mode"])
        return {name: kind[name] for name in ("cost-metric", "cost-mode")}

    def passing(self, body, kinds, between):
        if "constraints" in body and "or-constraints" in body:
            raise Refused("E_INVALID_FIELD_VALUE", "or-constraints")
        either = body.get("or-constraints", [body["constraints"]] if "constraints" in body else None)
        if either is None:
            return None
        if "constraints" in body and not isinstance(body["constraints"], list):
            raise Refused("E_INVALID_FIELD_TYPE", "constraints")
        tested = body.get("testable-cost-types", kinds)
        for kind in tested:
            if kind["cost-metric"] not in COSTS:
                raise Refused("E_INVALID_FIELD_VALUE", "testable-cost-types")
        for text in [text for each in either for text in each]:
            found = reckon.PREDICATE.match(text)
            try:
                if int(found.group(1) or 0) >= len(tested):
                    raise ValueError
                float(found.group(3))
            except (AttributeError, ValueError):
                raise Refused("E_INVALID_FIELD_VALUE", "constraints", text) from None
        if not all(either):
            raise Refused("E_INVALID_FIELD_VALUE", "or-constraints")
        return reckon.passing(reckon.together([between(body, kind) for kind in tested]), either)

    def endpoint_properties(self, body):
        names, endpoints = texts(body, "properties"), addresses(body, "endpoints", "", needed=True)
        for name in names:
            if name not in ("nm.pid", "priv:t-isp"):
                raise Refused("E_INVALID_FIELD_VALUE", "properties", name)
        lookup, found = Lookup(NETWORK_MAP), {}
        for endpoint in endpoints:
            pid = lookup.pid(endpoint)
            said = {"nm.pid": pid, "priv:t-isp": PROPERTIES.get(f"nm.pid:{pid}", {}).get(".priv:t-isp")}
            found[endpoint] = {name: said[name] for name in names if said[name]}
        meta = {"dependent-vtags": [self.vtag("nm")]} if "nm.pid" in names else {}
        return {"meta": meta, "endpoint-properties": found}

    def filter_properties(self, body):
        entities, names = texts(body, "entities"), texts(body, "properties", needed=False)
        for name in names or []:
            if name not in (".priv:t-isp", ".priv:t-tech", "nm.pid"):
                raise Refused("E_INVALID_FIELD_VALUE", "properties", name)
        found, lookup = {}, Lookup(NETWORK_MAP)
        for entity in entities or PROPERTIES:
            try:
                schemas.entity(entity)
            except ValueError:
                raise Refused("E_INVALID_FIELD_VALUE", "entities", entity) from None
            kind, _, rest = entity.partition(":")
            if kind == "nm.pid":
                said = {entity: PROPERTIES[entity]} if entity in PROPERTIES else {}
            else:
                said = {f"{kind}:{piece}": {"nm.pid": pid} for piece, pid in pieces(rest, kind, lookup)}
            for each, properties in said.items():
                found[each] = {} if names is None else {n: v for n, v in properties.items() if not names or n in names}
        return {"meta": {"dependent-vtags": [self.vtag("nm")]}, "property-map": found}

    def control(self, path, request):
        stream = self.streams.get(path)
        if stream is None:
            return httpx.Response(404)
        if request.headers.get("content-type") != wire.STREAM_PARAMS:
            return httpx.Response(415)
        try:
            stream.control(body_of(request))
        except Refused as refused:
            return self.said("POST", path, 400, wire.ERROR, {"meta": refused.meta})
        return httpx.Response(204)
