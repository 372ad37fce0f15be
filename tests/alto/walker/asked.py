"""What every resource that is asked by POST has in common (RFC 7285 section 8.3)."""

from .faults import same


def wrong_media_types(view, resource):
    for kind in ("application/json", "text/plain"):
        answer = view.client.ask("POST", resource.url, 415, b"{}", content_type=kind)
        holds_no_error(answer)
    answer = view.client.ask("POST", resource.url, 406, b"{}", content_type=resource.accepts, accept="text/html")
    holds_no_error(answer)


def holds_no_error(answer):
    same("an error of ALTO", answer.headers.get("content-type") == "application/alto-error+json", False)


def no_json(view, resource):
    for body in (b'{"pids":', b"", b"\x00", b"[" * 5000):
        view.client.refusal(resource, body, "E_SYNTAX")


def no_object(view, resource):
    """A body that is JSON but no object has no field that could be named; it is refused all the same."""
    for body in (b"[]", b"7", b"null"):
        view.client.ask("POST", resource.url, 400, body, content_type=resource.accepts)


CHECKS = [
    ("RFC 7285 §8.3.2", "415 and 406 for other media types", wrong_media_types),
    ("RFC 7285 §8.5.2", "E_SYNTAX for what is no JSON", no_json),
    ("RFC 7285 §8.5", "400 for JSON that is no object", no_object),
]
