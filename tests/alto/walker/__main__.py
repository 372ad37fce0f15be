"""Walks through an ALTO server, fetches and asks everything that its directory has, and compares.

python -m walker https://alto.example.net/ --ca root.pem
"""

import argparse
import sys

from . import asked, costs, directory, endpoints, fetch, network, properties, stream, wire
from .faults import Absent
from .report import Report
from .view import Steady


class Walk:
    def __init__(self, client, url, report, changes_s=0.0, idle=False):
        self.client = client
        self.url = url
        self.report = report
        self.changes_s = changes_s
        self.idle = idle
        self.directory = None
        self.steady = None

    def say(self, word):
        """A word for whoever started us and waits for it."""
        self.report.line("…", word)

    def note(self, text):
        self.report.line("…", text)

    def run(self, kinds=None):
        """All checks, or those of questions for these media types only."""
        check = self.report.check
        self.directory = check("RFC 7285 §9.2", f"directories of {self.url}", directory.Directory, self.client, self.url)
        if self.directory is None:
            return
        self.steady = Steady(self.client, self.directory)
        for section, what, function in directory.CHECKS:
            check(section, what, function, self.directory)
        for resource in sorted(self.directory.resources.values(), key=lambda each: each.id) if not kinds else []:
            self.basics(resource)
        for media_type, checks, what in (
            (wire.NETWORK_MAP, network.CHECKS, "filtered network maps"),
            (wire.COST_MAP, costs.COMMON + costs.PIDS, "filtered cost maps"),
            (wire.ENDPOINT_COST, costs.COMMON + endpoints.COSTS, "endpoint costs"),
            (wire.ENDPOINT_PROPERTY, endpoints.PROPERTIES, "endpoint properties"),
            (wire.PROPERTY_MAP, properties.FILTERED, "filtered property maps"),
            (wire.STREAM, stream.checks(self), "update streams"),
        ):
            if kinds is not None and media_type not in kinds:
                continue
            found = self.directory.of(media_type, True)
            if not found:
                check("RFC 7285 §9.2", what, absent, "the directory has none")
            for resource in found:
                self.questions(resource, checks)

    def basics(self, resource):
        """What holds for every resource."""
        checks = [fetch.METHODS]
        if resource.accepts is None:
            checks = [*fetch.ALL, *checks]
            if resource.media_type != wire.DIRECTORY:
                checks += [fetch.VERSION, *fetch.BY_TYPE.get(resource.media_type, [])]
            if resource.media_type == wire.PROPERTY_MAP:
                checks += properties.MAP
        for section, what, function in checks:
            self.report.check(section, what, self.steady.run, function, resource, resource=resource.id)

    def questions(self, resource, checks):
        for section, what, function in asked.CHECKS:
            self.report.check(section, what, self.steady.run, function, resource, resource=resource.id)
        for section, what, function in checks:
            if resource.media_type == wire.STREAM:
                run = (function, self, resource)
            elif resource.media_type in (wire.COST_MAP, wire.ENDPOINT_COST):
                run = (self.at_desks, function, resource)
            else:
                run = (self.steady.run, function, resource)
            self.report.check(section, what, *run, resource=resource.id)

    def at_desks(self, function, resource):
        """Once, or once for each of the cost types that the check is about."""
        names = getattr(function, "names", None)
        if names is None:
            self.steady.run(at_desk, function, resource)
            return
        for name in self.steady.run(names_at_desk, names, resource):
            self.steady.run(at_desk, function, resource, name)


def desk_of(view, resource):
    desk = endpoints.EndpointDesk if resource.media_type == wire.ENDPOINT_COST else costs.Desk
    return desk(resource, view)


def at_desk(view, function, resource, *names):
    function(desk_of(view, resource), *names)


def names_at_desk(view, names, resource):
    return names(desk_of(view, resource))


def absent(why):
    raise Absent(why)


def main():
    parser = argparse.ArgumentParser(prog="walker", description=__doc__.splitlines()[0])
    parser.add_argument("url", help="of the information resource directory")
    parser.add_argument("--ca", help="certificates that the server's is trusted by, PEM")
    parser.add_argument("--address", help="our own address as the server sees it, such as ipv4:192.0.2.7")
    parser.add_argument(
        "--complete", action="store_true", help="fail where some check could be made nowhere, for want of a resource or of data"
    )
    parser.add_argument(
        "--changes", type=float, default=0.0, metavar="S", help="wait so many seconds for something to be published"
    )
    parser.add_argument("--idle", action="store_true", help="wait 17 s for a sign of life on a stream")
    arguments = parser.parse_args()
    report = Report(complete=arguments.complete)
    client = wire.Client(ca=arguments.ca, address=arguments.address)
    Walk(client, arguments.url, report, arguments.changes, arguments.idle).run()
    return 0 if report.summary() else 1


if __name__ == "__main__":
    sys.exit(main())
