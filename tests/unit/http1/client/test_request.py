import string
from collections.abc import AsyncIterator

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.transport import ConnectError, Outgoing
from tollkeeper_server.domain.upstream import Timeouts
from tollkeeper_server.http1.client.request import parse_base, request_head, split_url
from tollkeeper_server.snapshot.model import Header


class Read:
    """A request as a server reads it."""

    def __init__(self, head: bytes) -> None:
        self.url = b""
        self.headers: list[Header] = []
        self.heads = 0
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(head)
        self.method = parser.get_method()

    def on_url(self, url: bytes) -> None:
        """Take the target."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Count the heads."""
        self.heads += 1


def _request(
    headers: list[Header],
    method: str = "POST",
    body: bytes | AsyncIterator[bytes] = b"{}",
    length: int | None = None,
) -> Outgoing:
    return Outgoing(method, "", headers, body, Timeouts(), length)


@pytest.mark.parametrize(
    ("url", "base", "target", "authority"),
    [
        ("http://h/v1/x", "http://h", "/v1/x", b"h"),
        ("https://h:443/", "https://h:443", "/", b"h"),
        ("http://h:443/x?a=/b", "http://h:443", "/x?a=/b", b"h:443"),
        ("http://h", "http://h", "/", b"h"),
        ("https://h?x=/y", "https://h", "/?x=/y", b"h"),
        ("https://h?x", "https://h", "/?x", b"h"),
        ("http://[::1]:80/x", "http://[::1]:80", "/x", b"[::1]"),
        ("https://[2001:db8::1]:8443//x", "https://[2001:db8::1]:8443", "//x", b"[2001:db8::1]:8443"),
        ("https://M\u00fcnchen.example/x", "https://M\u00fcnchen.example", "/x", b"xn--mnchen-3ya.example"),
    ],
)
def test_a_url_is_an_address_and_a_target(url: str, base: str, target: str, authority: bytes) -> None:
    assert split_url(url) == (base, target)
    assert parse_base(base).authority == authority


@pytest.mark.parametrize(
    "base",
    [
        "", "h", "ftp://h", "http://", "http://:80", "http://h:0", "http://h:65536", "http://h:x", "http://u:p@h",
        "http://[::1", "http://a b", "http://a\r\nb", "http://h#x", "http://" + "a" * 64, "http://a..b",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(base: str) -> None:
    with pytest.raises(ConnectError, match="URL"):
        parse_base(base)


@pytest.mark.parametrize(
    "header",
    [
        (b"x", b"a\r\nb: c"), (b"x", b"a\nb"), (b"x", b"a\rb"), (b"x", b"a\0b"), (b"x\r\ny", b"a"),
        (b"x\0", b"a"), (b"x y", b"a"), (b"x:", b"a"), (b"", b"a"), (b"caf\xe9", b"a"), (b"host", b"a"),
        (b"content-length", b"9"), (b"transfer-encoding", b"chunked"), (b"x", b"a\r\n"),
        (b"x", b"\r\n\r\nGET / HTTP/1.1"),
    ],
)  # fmt: skip
def test_a_header_that_would_be_read_as_more_is_refused(header: Header) -> None:
    with pytest.raises(ConnectError) as caught:
        request_head(_request([(b"a", b"b"), header]), "/x", b"h")
    assert "GET" not in str(caught.value)


@pytest.mark.parametrize("target", ["/a b", "/a\r\nb", "/a\0", "/a\t", "/a#b", "/\x7f", "/\u20ac"])
def test_a_target_that_would_be_read_as_more_is_refused(target: str) -> None:
    with pytest.raises(ConnectError):
        request_head(_request([]), target, b"h")


@pytest.mark.parametrize("method", ["", "GE T", "GET\r\n", "CONNECT", "G\u00c9T"])
def test_a_method_that_is_none_is_refused(method: str) -> None:
    with pytest.raises(ConnectError):
        request_head(_request([], method), "/", b"h")


def test_bytes_of_a_target_are_kept() -> None:
    assert request_head(_request([], "GET", b""), "/?\x9f\xe9", b"h").startswith(
        b"GET /?\x9f\xe9 HTTP/1.1\r\n"
    )


async def _stream() -> AsyncIterator[bytes]:
    yield b""


@pytest.mark.parametrize(
    ("request_", "framing"),
    [
        (_request([], "GET", b""), []),
        (_request([], "DELETE", b""), []),
        (_request([], "POST", b""), [(b"content-length", b"0")]),
        (_request([], "GET", b"x"), [(b"content-length", b"1")]),
        (_request([], "POST", _stream(), 7), [(b"content-length", b"7")]),
        (_request([], "POST", _stream(), 0), [(b"content-length", b"0")]),
        (_request([], "POST", _stream()), [(b"transfer-encoding", b"chunked")]),
    ],
)
def test_a_body_is_announced(request_: Outgoing, framing: list[Header]) -> None:
    assert Read(request_head(request_, "/", b"h")).headers == [(b"host", b"h"), *framing]


ANY_HEADER = st.tuples(
    st.one_of(
        st.binary(max_size=8), st.text(string.ascii_lowercase + "-", min_size=1, max_size=8).map(str.encode)
    ),
    st.one_of(st.binary(max_size=8), st.binary(max_size=8).map(bytes.hex).map(str.encode)),
)


@given(
    st.lists(ANY_HEADER, max_size=4),
    st.text(string.printable, max_size=8),
    st.sampled_from(["GET", "POST", "PATCH", "OPTIONS"]),
)
@example([(b"x", b"\xff")], "", "GET")
def test_a_server_reads_what_was_meant_or_nothing_is_sent(
    headers: list[Header], path: str, method: str
) -> None:
    try:
        head = request_head(_request(headers, method), "/" + path, b"h")
    except ConnectError:
        return
    lines = head.split(b"\r\n")
    assert lines[0] == f"{method} /{path} HTTP/1.1".encode()
    assert lines[1:] == [b"host: h", *(n + b": " + v for n, v in headers), b"content-length: 2", b"", b""]
    names = {name for name, _ in headers}
    if (
        not names & {b"connection", b"upgrade"}
        and head.isascii()
        and not any(v.strip() != v for _, v in headers)
    ):
        try:
            read = Read(head)
        except httptools.HttpParserError:  # a control character, which servers refuse
            assert any(not v.decode().isprintable() for _, v in headers)
            return
        assert (read.heads, read.url) == (1, b"/" + path.encode())
        assert read.headers == [(b"host", b"h"), *headers, (b"content-length", b"2")]
