#!/usr/bin/env python3
"""A RESTCONF client (RFC 8040) that knows no data model: it reads whatever a server has, in both encodings, writes it back as it
was read, and expects that nothing is different then. Standard library only.

    walk.py --host 127.0.0.1 --port 8443 --cert me.pem --key me.key --pin SHA256
"""

import argparse
import hashlib
import http.client
import json
import ssl
import sys
import xml.etree.ElementTree as ElementTree

JSON = "application/yang-data+json"
XML = "application/yang-data+xml"
XRD = "{http://docs.oasis-open.org/ns/xri/xrd-1.0}"
RESTCONF = "{urn:ietf:params:xml:ns:yang:ietf-restconf}"
# RFC 8341: whoever deletes the rules is shut out by what holds without any.
ACCESS = "ietf-netconf-acm:nacm"


class Fault(Exception):
    """The server did not do as RFC 8040 has it."""


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    def json(self):
        def once(pairs):
            names = [name for name, _ in pairs]
            if len(names) != len(set(names)):
                raise Fault(f"a member stands twice: {names}")
            return dict(pairs)

        return json.loads(self.body, object_pairs_hook=once)

    def xml(self):
        return ElementTree.fromstring(self.body)


class Client:
    def __init__(self, arguments):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # The server is known by its certificate, whatever it is called.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.load_cert_chain(arguments.cert, arguments.key)
        self.connection = http.client.HTTPSConnection(
            arguments.host, arguments.port, context=context, timeout=30
        )
        self.connection.connect()
        shown = self.connection.sock.getpeercert(binary_form=True)
        if hashlib.sha256(shown).hexdigest() != arguments.pin.replace(":", "").lower():
            raise Fault("the server has another certificate")

    def ask(self, method, path, expected, body=None, **headers):
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body=body, headers=fields)
        answer = Answer(self.connection.getresponse())
        wanted = expected if isinstance(expected, tuple) else (expected,)
        if answer.status not in wanted:
            text = answer.body.decode("utf-8", "replace")[:500]
            raise Fault(f"{method} {path}: {answer.status}, not {expected}: {text}")
        for name in ("date", "cache-control"):
            if name not in answer.headers:
                raise Fault(f"{method} {path}: no {name}")
        return answer


def same(what, found, expected):
    if found != expected:
        raise Fault(f"{what}: {found!r}, not {expected!r}")


def discover(client):
    """The API resource, by host-meta (RFC 8040 section 3.1)."""
    answer = client.ask("GET", "/.well-known/host-meta", 200)
    for link in answer.xml().iter(f"{XRD}Link"):
        if link.get("rel") == "restconf":
            return link.get("href").rstrip("/")
    raise Fault("host-meta has no link to RESTCONF")


def api(client, root):
    in_json = client.ask("GET", root, 200, accept=JSON).json()["ietf-restconf:restconf"]
    in_xml = client.ask("GET", root, 200, accept=XML).xml()
    same("the API resource", in_xml.tag, f"{RESTCONF}restconf")
    names = sorted(child.tag.removeprefix(RESTCONF) for child in in_xml)
    same("its parts in XML", names, sorted(in_json))
    same("its parts", names, ["data", "operations", "yang-library-version"])
    return in_json["yang-library-version"]


def library(client, root):
    """The modules, each by its name and namespace (RFC 8525)."""
    found = client.ask("GET", f"{root}/data/ietf-yang-library:yang-library", 200, accept=JSON).json()
    modules = {}
    for module_set in found["ietf-yang-library:yang-library"]["module-set"]:
        for module in module_set["module"]:
            if module["name"] in modules:
                raise Fault(f"{module['name']} is implemented twice")
            modules[module["name"]] = module["namespace"]
    return modules


def read(client, path, accept, tagged=True):
    """Reads a resource; only state may go without an entity tag and a time of change (RFC 8040 section 3.5)."""
    answer = client.ask("GET", path, 200, accept=accept)
    same(f"{path}: the media type", answer.headers["content-type"], accept)
    if tagged and not {"etag", "last-modified"} <= set(answer.headers):
        raise Fault(f"{path}: no entity tag, or no time of change")
    return answer


def resource(client, root, name, modules):
    """Reads one resource in both encodings, and writes it back as it was read."""
    path = f"{root}/data/{name}"
    module, local = name.split(":")
    tags = {}
    for accept in (JSON, XML):
        answer = read(client, path, accept)
        tag = answer.headers["etag"]
        if accept == JSON:
            same(f"{path}: the top in JSON", list(answer.json()), [name])
        else:
            same(f"{path}: the top in XML", answer.xml().tag, f"{{{modules[module]}}}{local}")
        head = client.ask("HEAD", path, 200, accept=accept)
        same(f"{path}: the entity tag of HEAD", head.headers["etag"], tag)
        same(f"{path}: the body of HEAD", head.body, b"")
        client.ask("GET", path, 304, accept=accept, if_none_match=tag)
        tags[accept] = tag
    if len(set(tags.values())) != 2:
        raise Fault(f"{path}: two representations have one entity tag")
    for accept in (JSON, XML):
        written = client.ask("GET", f"{path}?content=config", 200, accept=accept).body
        client.ask("PUT", path, 204, body=written, content_type=accept, if_match=tags[accept])
        for other, tag in tags.items():
            same(f"{path}: the entity tag after it was written back", read(client, path, other).headers["etag"], tag)
    allowed = client.ask("OPTIONS", path, (200, 204)).headers["allow"].replace(" ", "").split(",")
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"):
        if method not in allowed:
            raise Fault(f"{path}: {method} is not allowed: {allowed}")
    client.ask("GET", f"{path}?depth=1", 200, accept=JSON).json()
    client.ask("GET", f"{path}?depth=0", 400, accept=JSON)
    return tags


def race(arguments, root, name):
    """Two clients have read the same; one is first, and the other is told."""
    path = f"{root}/data/{name}"
    one, other = Client(arguments), Client(arguments)
    before = one.ask("GET", f"{path}?content=config", 200, accept=JSON)
    tag = read(one, path, JSON).headers["etag"]
    same("what both have read", read(other, path, JSON).headers["etag"], tag)
    one.ask("DELETE", path, 204, if_match=tag)
    late = other.ask("PUT", path, 412, body=before.body, content_type=JSON, if_match=tag)
    if late.body:
        same("why", late.json()["ietf-restconf:errors"]["error"][0]["error-tag"], "operation-failed")
    one.ask("PUT", path, (201, 204), body=before.body, content_type=JSON)
    same("what is there in the end", read(other, path, JSON).headers["etag"], tag)


def faults(client, root, name):
    """What cannot be done is said in the encoding that was asked for."""
    for accept in (JSON, XML):
        answer = client.ask("GET", f"{root}/data/no-such-module:nothing", (400, 404), accept=accept)
        same("the media type of errors", answer.headers["content-type"], accept)
        if accept == XML:
            same("errors in XML", answer.xml().tag, f"{RESTCONF}errors")
        else:
            answer.json()["ietf-restconf:errors"]["error"][0]["error-tag"]
    path = f"{root}/data/{name}"
    tag = read(client, path, JSON).headers["etag"]
    for body, kind, status in (
        (b"{", JSON, 400),
        (b"<a>", XML, 400),
        (b"{}", "text/plain", 415),
        (b'{"no-such-module:nothing":1}', JSON, 400),
    ):
        client.ask("PUT", path, status, body=body, content_type=kind)
    client.ask("GET", path, 406, accept="image/png")
    client.ask("GET", f"{path}?no-such-parameter=1", 400)
    same("what is there after all that", read(client, path, JSON).headers["etag"], tag)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cert", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--pin", required=True, help="SHA-256 of the server's certificate")
    arguments = parser.parse_args()
    client = Client(arguments)
    root = discover(client)
    version = api(client, root)
    modules = library(client, root)
    datastore = read(client, f"{root}/data", JSON).json()["ietf-restconf:data"]
    config = client.ask("GET", f"{root}/data?content=config", 200, accept=JSON).json()["ietf-restconf:data"]
    for name in datastore:
        if name.split(":")[0] not in modules:
            raise Fault(f"{name} is of no module of the library")
        read(client, f"{root}/data/{name}", JSON, tagged=name in config).json()
        read(client, f"{root}/data/{name}", XML, tagged=name in config).xml()
    written = [name for name in config if resource(client, root, name, modules)]
    plain = [name for name in written if name != ACCESS]
    if not plain:
        raise Fault("there is no configuration to work with")
    for name in plain:
        race(arguments, root, name)
        faults(client, root, name)
    print(f"{root} {version}: {len(modules)} modules, {len(datastore)} resources read, {len(written)} written back")


if __name__ == "__main__":
    try:
        main()
    except (Fault, OSError, KeyError, ValueError, http.client.HTTPException) as error:
        sys.exit(f"{type(error).__name__}: {error}")
