"""What the head of a request over HTTP/2 becomes."""

from tollkeeper_server.doors.http2.head import request_scope


def test_cookies_in_several_fields_are_one() -> None:
    fields = [
        (b":method", b"GET"),
        (b":path", b"/a%20b?c=d"),
        (b"cookie", b"a=1"),
        (b"x", b"y"),
        (b"cookie", b"b=2"),
    ]
    scope, size = request_scope(fields, scheme="https", client=None, listener="console")
    assert scope["headers"] == [(b"host", b""), (b"x", b"y"), (b"cookie", b"a=1; b=2")]
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/a b", b"/a%20b", b"c=d")
    assert size > sum(len(name) + len(value) for name, value in fields)
