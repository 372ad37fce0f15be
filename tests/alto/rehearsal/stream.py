"""Update streams."""

import json
import queue

import httpx

from walker import wire

from .parts import Refused, patch


class Open(httpx.SyncByteStream):
    """An open update stream."""

    def __init__(self, server, body):
        self.server = server
        self.queue = queue.Queue()
        self.known, self.ever = {}, {}
        self.path = f"control/{len(server.streams) + 1}-{id(self)}"
        added = self.checked(body, opening=True)
        self.send(wire.STREAM_CONTROL, {"control-uri": f"/{self.path}"})
        server.streams[self.path] = self
        self.start(added)
        self.response = httpx.Response(200, headers={"content-type": wire.STREAM}, stream=self)

    def __iter__(self):
        while (chunk := self.queue.get()) is not None:
            yield chunk

    def send(self, kind, data):
        data = self.server.tamper("EVENT", kind, 200, data)
        lines = json.dumps(data, indent=1).splitlines()
        self.queue.put(f": event\nevent: {kind}\n".encode() + b"".join(f"data: {line}\n".encode() for line in lines) + b"\n")

    def checked(self, body, opening=False):
        add = body.get("add", {})
        if not isinstance(add, dict):
            raise Refused("E_INVALID_FIELD_TYPE", "add")
        if opening and not add:
            raise Refused("E_MISSING_FIELD", "add")
        resources = self.server.directory()["resources"]
        for name, wanted in add.items():
            if name in self.ever:
                raise Refused("E_INVALID_FIELD_VALUE", "add", name)
            if "resource-id" not in wanted:
                raise Refused("E_MISSING_FIELD", f"add/{name}/resource-id")
            if wanted["resource-id"] not in resources["updates"]["uses"]:
                raise Refused("E_INVALID_FIELD_VALUE", f"add/{name}/resource-id", wanted["resource-id"])
            if not isinstance(wanted.get("incremental-changes", True), bool):
                raise Refused("E_INVALID_FIELD_TYPE", f"add/{name}/incremental-changes")
        return add

    def start(self, added):
        self.ever |= added
        resources = self.server.directory()["resources"]
        for name, wanted in sorted(added.items(), key=lambda each: len(resources[each[1]["resource-id"]].get("uses", []))):
            self.known[name] = self.current(wanted)
            if wanted.get("tag") != self.known[name]["meta"].get("vtag", {}).get("tag", ""):
                self.send(f"{resources[wanted['resource-id']]['media-type']},{name}", self.known[name])

    def current(self, wanted):
        path = self.server.directory()["resources"][wanted["resource-id"]]["uri"]
        if "input" in wanted:
            return self.server.questions()[path][2](wanted["input"])
        return json.loads(json.dumps(self.server.documents()[path][1]))

    def publish(self):
        directory = self.server.directory()["resources"]
        for name, before in list(self.known.items()):
            wanted = self.ever[name]
            after = self.known[name] = self.current(wanted)
            if after == before:
                continue
            offered = directory["updates"]["capabilities"]["incremental-change-media-types"]
            if wanted["resource-id"] in offered and wanted.get("incremental-changes", True):
                self.send(f"application/merge-patch+json,{name}", patch(before, after))
            else:
                self.send(f"{directory[wanted['resource-id']]['media-type']},{name}", after)

    def control(self, body):
        added, remove = self.checked(body), body.get("remove")
        if added and remove == []:
            raise Refused("E_INVALID_FIELD_VALUE", "remove")
        for name in remove or []:
            if name not in self.ever:
                raise Refused("E_INVALID_FIELD_VALUE", "remove", name)
        if added:
            self.send(wire.STREAM_CONTROL, {"started": sorted(added)})
            self.start(added)
        stopped = [name for name in (self.known if remove == [] else remove or []) if name in self.known]
        for name in stopped:
            del self.known[name]
        if stopped:
            self.send(wire.STREAM_CONTROL, {"stopped": sorted(stopped)})
        if not self.known:
            del self.server.streams[self.path]
            self.queue.put(None)
