"""What one server forgives and another reads differently is refused; what RFC 9112 permits is read."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.http1.server.strict import host_problem

from tests.unit.http1.server.test_parse import Reading, cut

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LINE = b"POST /v1/x HTTP/1.1\r\n"
HOST = b"Host: gateway.example:3000\r\n"
CHUNKED = LINE + HOST + b"Transfer-Encoding: chunked\r\n\r\n"


def with_line(line: bytes) -> bytes:
    return line + b"\r\nHost: a\r\n\r\n"


def with_header(*lines: bytes) -> bytes:
    return LINE + HOST + b"".join(line + b"\r\n" for line in lines) + b"\r\nhello"


REFUSED = {
    "two spaces before the target": with_line(b"GET  / HTTP/1.1"),
    "two spaces before the version": with_line(b"GET /  HTTP/1.1"),
    "a tab before the target": with_line(b"GET\t/ HTTP/1.1"),
    "a tab before the version": with_line(b"GET /\tHTTP/1.1"),
    "a space behind the version": with_line(b"GET / HTTP/1.1 "),
    "a space before the method": with_line(b" GET / HTTP/1.1"),
    "a vertical tab": with_line(b"GET\x0b/ HTTP/1.1"),
    "a NUL in the target": with_line(b"GET /a\0b HTTP/1.1"),
    "DEL in the target": with_line(b"GET /\x7f HTTP/1.1"),
    "a byte beyond ASCII in the target": with_line(b"GET /\xc3\xa4 HTTP/1.1"),
    "a fragment": with_line(b"GET /a#b HTTP/1.1"),
    "a fragment in a query": with_line(b"GET /a?b#c HTTP/1.1"),
    "no method": with_line(b"/ HTTP/1.1"),
    "an empty method": with_line(b" / HTTP/1.1"),
    "a method in small letters": with_line(b"get / HTTP/1.1"),
    "an endless method": with_line(b"G" * 5000 + b" / HTTP/1.1"),
    "a method that does not exist": with_line(b"GETS / HTTP/1.1"),
    "a method of RTSP": with_line(b"DESCRIBE / RTSP/1.0"),
    "no target": with_line(b"GET HTTP/1.1"),
    "an empty target": with_line(b"GET  HTTP/1.1"),
    "a query alone": with_line(b"GET ?a=b HTTP/1.1"),
    "a path without a slash": with_line(b"GET v1/models HTTP/1.1"),
    "an authority": with_line(b"GET a:80 HTTP/1.1"),
    "an asterisk": with_line(b"GET * HTTP/1.1"),
    "an asterisk, posted": with_line(b"POST * HTTP/1.1"),
    "a path as an authority": with_line(b"CONNECT /v1 HTTP/1.1"),
    "another scheme": with_line(b"GET ftp://a/ HTTP/1.1"),
    "no host in a URL": with_line(b"GET http:///v1 HTTP/1.1"),
    "a user in a URL": with_line(b"GET http://user@a/ HTTP/1.1"),
    "a wrong host beside a URL": b"GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n",
    "no host beside a URL": b"GET http://a/ HTTP/1.1\r\n\r\n",
    "no version": with_line(b"GET /"),
    "HTTP/0.9": with_line(b"GET / HTTP/0.9"),
    "HTTP/1.2": with_line(b"GET / HTTP/1.2"),
    "HTTP/1.10": with_line(b"GET / HTTP/1.10"),
    "HTTP/01.1": with_line(b"GET / HTTP/01.1"),
    "HTTP/1": with_line(b"GET / HTTP/1"),
    "HTTP/1.": with_line(b"GET / HTTP/1."),
    "HTTP/1,1": with_line(b"GET / HTTP/1,1"),
    "HTTP/2.0": with_line(b"GET / HTTP/2.0"),
    "HTTP/2": with_line(b"GET / HTTP/2"),
    "HTTP/3.0": with_line(b"GET / HTTP/3.0"),
    "small letters": with_line(b"GET / http/1.1"),
    "another protocol": with_line(b"GET / HTTPS/1.1"),
    "ICE": with_line(b"SOURCE / ICE/1.0"),
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a hello of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "two empty lines before": b"\r\n\r\n" + HEAD,
    "LF before": b"\n" + HEAD,
    "CR before": b"\r" + HEAD,
    "a blank before": b" \r\n" + HEAD,
    "LF behind the line": b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    "CR behind the line": b"GET / HTTP/1.1\rHost: a\r\n\r\n",
    "LF alone": HEAD.replace(b"\r", b""),
    "LF behind a header": with_header(b"a: b\nc: d"),
    "LF behind the head": b"GET / HTTP/1.1\r\nHost: a\r\n\n",
    "CR behind a header": with_header(b"a: b\rc: d"),
    "CR in a value": with_header(b"a: b\rc"),
    "CR CR LF": with_header(b"a: b\r"),
    "a folded header": with_header(b"a: b", b" c"),
    "a header folded by a tab": with_header(b"a: b", b"\tc"),
    "a first header that begins with a blank": LINE + b" a: b\r\n" + HOST + b"\r\n",
    "a blank before the colon": with_header(b"Content-Length : 5"),
    "a tab before the colon": with_header(b"Content-Length\t: 5"),
    "no colon": with_header(b"a"),
    "no name": with_header(b": b"),
    "a blank in a name": with_header(b"a b: c"),
    "a NUL in a name": with_header(b"a\0: b"),
    "a NUL in a value": with_header(b"a: \0"),
    "a byte beyond ASCII in a name": with_header(b"\xc3\xa4: b"),
    "no host": LINE + b"\r\n",
    "two hosts": LINE + HOST + HOST + b"\r\n",
    "two hosts that differ": LINE + HOST + b"hOST: b\r\n\r\n",
    "an empty host": LINE + b"Host:\r\n\r\n",
    "a blank host": LINE + b"Host:  \r\n\r\n",
    "two hosts of HTTP/1.0": b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
    "a wrong host of HTTP/1.0": b"GET / HTTP/1.0\r\nHost: a b\r\n\r\n",
    "two hosts and a coding": with_header(b"Host: b", b"Transfer-Encoding: chunked"),
    "two equal lengths among other headers": with_header(b"a: b", b"Content-Length: 5", b"CONTENT-LENGTH: 5"),
    "a length beyond 19 digits": with_header(b"Content-Length: 10000000000000000000"),
    "both framings, the length zero": with_header(b"Transfer-Encoding: chunked", b"Content-Length: 0"),
    "a method in part of small letters": with_line(b"Get / HTTP/1.1"),
    "a method of RTSP over HTTP": with_line(b"DESCRIBE / HTTP/1.1"),
    "two lengths": with_header(b"Content-Length: 5", b"Content-Length: 5"),
    "two lengths that differ": with_header(b"Content-Length: 5", b"Content-Length: 0"),
    "a list of lengths": with_header(b"Content-Length: 5, 5"),
    "a list of lengths without blanks": with_header(b"Content-Length: 5,5"),
    "a length with a plus": with_header(b"Content-Length: +5"),
    "a length with a minus": with_header(b"Content-Length: -5"),
    "a length in hex": with_header(b"Content-Length: 0x5"),
    "a length with a point": with_header(b"Content-Length: 5.0"),
    "a length with an exponent": with_header(b"Content-Length: 5e0"),
    "a length with a stroke": with_header(b"Content-Length: 5_0"),
    "a length with a blank behind": with_header(b"Content-Length: 5 "),
    "a length with a tab behind": with_header(b"Content-Length: 5\t"),
    "a length with a blank within": with_header(b"Content-Length: 5 5"),
    "no length": with_header(b"Content-Length:"),
    "a blank length": with_header(b"Content-Length: "),
    "a length beyond 64 bits": with_header(b"Content-Length: 18446744073709551621"),
    "both framings": with_header(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    "both framings, the other way round": with_header(b"Transfer-Encoding: chunked", b"Content-Length: 5"),
    "gzip, then chunked": with_header(b"Transfer-Encoding: gzip, chunked"),
    "gzip alone": with_header(b"Transfer-Encoding: gzip"),
    "chunked twice": with_header(b"Transfer-Encoding: chunked, chunked"),
    "chunked in two lines": with_header(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "gzip and chunked in two lines": with_header(b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"),
    "chunked, then gzip": with_header(b"Transfer-Encoding: chunked, gzip"),
    "identity": with_header(b"Transfer-Encoding: identity"),
    "an empty coding": with_header(b"Transfer-Encoding:"),
    "an empty coding in a list": with_header(b"Transfer-Encoding: ,chunked"),
    "a list that goes on": with_header(b"Transfer-Encoding: chunked,"),
    "a coding with a parameter": with_header(b"Transfer-Encoding: chunked;q=1"),
    "a coding in quotes": with_header(b'Transfer-Encoding: "chunked"'),
    "a coding with a letter more": with_header(b"Transfer-Encoding: xchunked"),
    "a coding behind a vertical tab": with_header(b"Transfer-Encoding: \x0bchunked"),
    "chunks in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked as what is accepted": with_header(b"TE: gzip, chunked"),
    "chunked with a weight as what is accepted": with_header(b"TE: Chunked;q=0.5"),
    "a chunk's size with a blank behind": CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n",
    "a chunk's size with a blank before": CHUNKED + b" 5\r\nhello\r\n0\r\n\r\n",
    "a chunk's size with a tab behind": CHUNKED + b"5\t\r\nhello\r\n0\r\n\r\n",
    "a chunk's size with a plus": CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n",
    "a chunk's size with a minus": CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n",
    "a chunk's size with 0x": CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
    "a chunk's size with a stroke": CHUNKED + b"0_5\r\nhello\r\n0\r\n\r\n",
    "a chunk's size beyond 64 bits": CHUNKED + b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "no size of a chunk": CHUNKED + b"\r\nhello\r\n0\r\n\r\n",
    "an extension without a size": CHUNKED + b";a=b\r\nhello\r\n0\r\n\r\n",
    "a blank before an extension": CHUNKED + b"5 ;a=b\r\nhello\r\n0\r\n\r\n",
    "LF in an extension": CHUNKED + b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "CR in an extension": CHUNKED + b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "LF behind a size": CHUNKED + b"5\nhello\r\n0\r\n\r\n",
    "LF behind a chunk": CHUNKED + b"5\r\nhello\n0\r\n\r\n",
    "a chunk longer than its size": CHUNKED + b"5\r\nhello!\r\n0\r\n\r\n",
    "a chunk shorter than its size": CHUNKED + b"6\r\nhello\r\n0\r\n\r\n",
    "LF behind the last chunk": CHUNKED + b"5\r\nhello\r\n0\n\n",
    "a length as trailer": CHUNKED + b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
    "a trailer without a name": CHUNKED + b"5\r\nhello\r\n0\r\n: a\r\n\r\n",
    "a folded trailer": CHUNKED + b"5\r\nhello\r\n0\r\na: b\r\n c\r\n\r\n",
}  # fmt: skip

READ = {
    "an empty line before": (b"\r\n" + HEAD, b"/", b""),
    "a URL": (b"GET http://A/v1/x?q=1 HTTP/1.1\r\nHost: a\r\n\r\n", b"/v1/x", b""),
    "a URL with the port left out": (b"GET http://a:80/x HTTP/1.1\r\nHost: a\r\n\r\n", b"/x", b""),
    "a URL with another host beside it": (with_line(b"GET http://b:8080/x HTTP/1.1"), b"/x", b""),
    "a URL, and a blank behind Host": (b"GET http://a/x HTTP/1.1\r\nHost: a \r\n\r\n", b"/x", b""),
    "a URL without a path": (b"GET https://a HTTP/1.1\r\nHost: a\r\n\r\n", b"/", b""),
    "a URL of HTTP/1.0 without Host": (b"GET http://a/x HTTP/1.0\r\n\r\n", b"/x", b""),
    "two slashes": (with_line(b"GET //b/x HTTP/1.1"), b"//b/x", b""),
    "OPTIONS *": (with_line(b"OPTIONS * HTTP/1.1"), b"*", b""),
    "CONNECT": (with_line(b"CONNECT a:443 HTTP/1.1"), b"a:443", b""),
    "HTTP/1.0 without Host": (b"GET / HTTP/1.0\r\n\r\n", b"/", b""),
    "blanks around values": (
        LINE + b"Host: \t a \t\r\nContent-Length:   5\r\nA:\tb\t \r\n\r\nhello", b"/v1/x", b"hello"
    ),
    "no blanks": (LINE + b"Host:a\r\nContent-Length:5\r\n\r\nhello", b"/v1/x", b"hello"),
    "no value": (LINE + HOST + b"A:\r\nB: \r\n\r\n", b"/v1/x", b""),
    "bytes beyond ASCII in a value": (LINE + HOST + b"A: \xc3\xa4\xff\r\n\r\n", b"/v1/x", b""),
    "a tab within a value": (LINE + HOST + b"A: b\tc\r\n\r\n", b"/v1/x", b""),
    "zeros before a length": (with_header(b"Content-Length: " + b"0" * 5000 + b"5"), b"/v1/x", b"hello"),
    "Chunked": (CHUNKED.replace(b"chunked", b"Chunked") + b"5\r\nhello\r\n0\r\n\r\n", b"/v1/x", b"hello"),
    "zeros before a size": (CHUNKED + b"0000000000000000005\r\nhello\r\n00\r\n\r\n", b"/v1/x", b"hello"),
    "extensions": (CHUNKED + b'5;a;b=c;d="e f"\r\nhello\r\n0;x\r\n\r\n', b"/v1/x", b"hello"),
    "trailers": (CHUNKED + b"5\r\nhello\r\n0\r\na: b\r\nc: d\r\n\r\n", b"/v1/x", b"hello"),
    "what looks like an end within a chunk": (
        CHUNKED + b"d\r\n\r\n0\r\n\r\nGET / \r\n0\r\n\r\n", b"/v1/x", b"\r\n0\r\n\r\nGET / "
    ),
    "TE": (LINE + HOST + b"TE: trailers, deflate;q=0.5\r\n\r\n", b"/v1/x", b""),
    "h2c with no settings": (
        LINE + HOST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: ???\r\n"
        b"Content-Length: 5\r\n\r\nhello", b"/v1/x", b"hello"
    ),
    "an upgrade in chunks": (
        CHUNKED[:-2] + b"Connection: upgrade\r\nUpgrade: x\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"/v1/x", b"hello"
    ),
}  # fmt: skip
HOSTS = [
    b"a", b"localhost:3000", b"a.example.com", b"my_service", b"xn--nxasmq6b", b"A.Example.", b"10.0.0.1:80",
    b"[::1]", b"[::1]:3000", b"[2001:db8::1]", b"[::ffff:10.0.0.1]", b"a:", b"a:0", b"a:65535", b"a%20b",
    b"[fe80::1%25eth0]:3000", b"[fe80::1%eth0]",
]  # fmt: skip
NO_HOSTS = [
    b"", b" ", b"a b", b"a/b", b"a\\b", b"a,b", b"a, b", b"a?b", b"a#b", b"user@a", b"http://a", b"a:b",
    b"a:65536", b"a:999999", b"a:-1", b"a:+1", b"a:1:2", b"::1", b"[::1", b"::1]", b"[]", b"[a]", b"[::1]a",
    b"[1:2]", b":80", b"\xc3\xa4", b"a;b", b"a\tb", b"'a'", b"<a>", b"(a)", b"a\x00",
    b"[::1%]", b"[%eth0]", b"[::1%a b]", b"[::1%a]b]",
]  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_be_read_in_two_ways_is_refused_and_nothing_after_it_is_read(name: str) -> None:
    reading = Reading().feed([REFUSED[name] + b"\r\n\r\n" + HEAD])
    assert reading.error is not None, reading.got
    assert 400 <= reading.error.outcome.http < 500
    assert len(reading.got) <= 1
    assert all(got.more_body for got in reading.got)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_refused_however_it_is_cut(name: str) -> None:
    data = REFUSED[name] + b"\r\n\r\n" + HEAD
    reading = Reading().feed([data[at : at + 1] for at in range(len(data))])
    assert reading.error is not None, reading.got
    assert all(got.more_body for got in reading.got)


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_what_rfc_9112_permits_is_read(name: str, step: int) -> None:
    data, path, body = READ[name]
    read = [(path, body, False)]
    if b"HTTP/1.0" not in data:  # after that the connection closes
        data += HEAD
        read.append((b"/", b"", False))
    reading = Reading().feed([data[at : at + step] for at in range(0, len(data), step)])
    assert reading.error is None
    assert [(got.head.path, got.body, got.more_body) for got in reading.got] == read


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_may_be_a_name_or_an_address(host: bytes) -> None:
    assert host_problem(host) is None
    assert Reading().feed([LINE + b"Host: " + host + b"\r\n\r\n"]).error is None


@pytest.mark.parametrize("host", NO_HOSTS)
def test_what_is_no_host_is_refused_also_after_one(host: bytes) -> None:
    assert host_problem(host) is not None
    reading = Reading().feed([HEAD, LINE + b"Host: " + host + b"\r\n\r\n"])
    assert reading.error is not None
    assert len(reading.got) == 1


@given(st.sampled_from(sorted(REFUSED)), st.lists(st.integers(0, 10_000), max_size=6))
def test_no_cut_hides_what_is_refused(name: str, places: list[int]) -> None:
    data = REFUSED[name] + b"\r\n\r\n" + HEAD
    assert Reading().feed(cut(data, places)).error is not None


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_a_head_is_never_read_with_a_break_in_it(noise: bytes, places: list[int]) -> None:
    data = LINE + HOST + b"a: " + noise + b"\r\n\r\n"
    for got in Reading().feed(cut(data, places)).got:
        for first, second in pairwise(value for header in got.head.headers for value in header):
            assert not {*first, *second} & {0, 10, 13}
