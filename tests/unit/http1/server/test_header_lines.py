"""Header lines are read as h11 reads them, also those that a connection sent before; few of them are kept."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.http1.server.header_lines import HeaderLines
from tollkeeper_server.snapshot.model import Header

LINES = st.lists(
    st.one_of(
        st.from_regex(rb"[A-Za-z-]{1,9}:[ \t]{0,2}[ -~]{0,9}", fullmatch=True),
        st.binary(max_size=12).filter(lambda line: b"\r\n" not in line),
    ),
    max_size=6,
)


def by_h11(lines: list[bytes]) -> list[Header] | None:
    """Return what h11 reads, None if it refuses."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(b"\r\n".join([b"GET / HTTP/1.0", *lines]) + b"\r\n\r\n")
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError:
        return None
    assert isinstance(event, h11.Request)
    return list(event.headers)


def stripped(headers: list[Header] | None) -> list[Header] | None:
    """Return headers without the blanks behind values."""
    return None if headers is None else [(name, value.rstrip(b" \t")) for name, value in headers]


@given(LINES, LINES)
def test_lines_are_read_the_same_whatever_came_before(before: list[bytes], lines: list[bytes]) -> None:
    reader = HeaderLines()
    joined = b"\r\n".join(lines)
    if reader.read(b"\r\n".join(before)) is not None:
        reader.keep()
    first = reader.read(joined)
    if first is not None:
        reader.keep()
    assert reader.read(joined) == first == HeaderLines().read(joined)


@given(st.from_regex(rb"[A-Za-z-]{1,9}:[ \t]{0,2}[ -~\x80-\xff]{0,9}", fullmatch=True))
def test_a_line_is_read_as_h11_reads_it(line: bytes) -> None:
    if b"content-length" not in line.lower() and b"transfer-encoding" not in line.lower():
        assert stripped(HeaderLines().read(line)) == by_h11([line])


@pytest.mark.parametrize("byte", [bytes([byte]) for byte in range(256)], ids=str)
def test_no_byte_is_let_pass_that_rfc_9110_forbids(byte: bytes) -> None:
    is_token = byte.isalnum() or byte in b"!#$%&'*+-.^_`|~"
    is_text = byte == b"\t" or (byte >= b" " and byte != b"\x7f")
    assert (HeaderLines().read(b"a" + byte + b"a: b") is not None) == (is_token or byte == b":")
    assert (HeaderLines().read(b"a: b" + byte + b"b") is not None) == is_text


def test_no_more_lines_are_kept_than_a_connection_may_have() -> None:
    reader = HeaderLines()
    for number in range(1000):
        assert reader.read(b"host: a\r\nx-%d: %b" % (number, b"x" * (number % 200))) is not None
        reader.keep()
        assert len(reader._kept) <= 64
        assert sum(map(len, reader._kept)) <= 4096
    assert reader.read(b"a: " + b"x" * 5000) is not None
    reader.keep()
    assert len(reader._kept) == 0
