"""What can be said against a server."""


class Fault(Exception):
    """The server did not do as the RFCs have it."""


class Absent(Exception):
    """The server does not offer what is to be checked, or has too little data for it."""


def same(what, found, expected):
    if found != expected:
        raise Fault(f"{what}: {short(found)}, not {short(expected)}")


def holds(what, truth):
    if not truth:
        raise Fault(what)


def short(value):
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}…"
