"""An offer to go on with HTTP/2 is taken if it is as RFC 7540 wants it, and comes at once with no body."""

import pytest
from tollkeeper_server.doors.http2.upgrade import read_offer

LINES = [
    b"GET /docs?a=b HTTP/1.1",
    b"Host: gateway",
    b"Connection: Upgrade, HTTP2-Settings",
    b"Upgrade: h2c",
    b"HTTP2-Settings: AAMAAABkAAQAAP__",
    b"Accept: */*",
]


def request(*lines: bytes) -> bytes:
    return b"\r\n".join(lines) + b"\r\n\r\n"


def test_an_offer_is_the_request_in_the_form_of_http2() -> None:
    offer = read_offer(request(*LINES) + b"PRI")
    assert offer is not None
    assert offer.head == [
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":authority", b"gateway"),
        (b":path", b"/docs?a=b"),
        (b"accept", b"*/*"),
    ]
    assert offer.settings() == b"AAMAAABkAAQAAP__"
    assert offer.rest == b"PRI"


@pytest.mark.parametrize(
    "first",
    [
        request(*LINES)[:-2],
        request(*LINES[:3], *LINES[4:]),
        request(*LINES[:4], *LINES[5:]),
        request(*LINES, LINES[4]),
        request(LINES[0].replace(b"1.1", b"1.0"), *LINES[1:]),
        request(*LINES, b"Content-Length: 2") + b"{}",
        request(*LINES, b"Transfer-Encoding: chunked"),
        request(LINES[0], *LINES[2:]),
        request(b"GET  HTTP/1.1", *LINES[1:]),
        b"\0\0\0 h2c\r\n\r\n",
    ],
)
def test_anything_else_is_none(first: bytes) -> None:
    assert read_offer(first) is None


@pytest.mark.parametrize("settings", [b"!!", b"AAE", b"AAMAAABkAA", b"AAMAAABk" * 100])
def test_settings_that_are_none_are_a_fault(settings: bytes) -> None:
    offer = read_offer(request(*LINES[:4], b"HTTP2-Settings: " + settings))
    assert offer is not None
    with pytest.raises(ValueError, match=r"\w"):
        offer.settings()


def test_no_settings_are_settings() -> None:
    offer = read_offer(request(*LINES[:4], b"HTTP2-Settings: "))
    assert offer is not None
    assert offer.settings() == b""
