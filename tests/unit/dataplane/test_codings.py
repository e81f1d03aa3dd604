"""Which content codings can be undone, and how a header says them."""

import gzip

import pytest
from tollkeeper_server.dataplane.codings import TAKEN, decode_parts, is_coding, list_codings, make_decoder

from tests.coded import CODINGS


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], ()),
        ([b""], ()),
        ([b"identity"], ()),
        ([b"GZip"], (b"gzip",)),
        ([b"gzip, br"], (b"gzip", b"br")),
        ([b"gzip", b"br,zstd"], (b"gzip", b"br", b"zstd")),
        ([b" , identity ,\tgzip,,"], (b"gzip",)),
        ([b"gzip;q=1"], (b"gzip;q=1",)),
    ],
)
def test_a_header_says_codings_in_the_order_in_which_they_were_applied(
    values: list[bytes], expected: tuple[bytes, ...]
) -> None:
    assert list_codings(values) == expected


def test_what_is_offered_can_be_undone() -> None:
    assert all(map(is_coding, list_codings([TAKEN])))
    assert not is_coding(b"identity")
    assert not is_coding(b"compress")


@pytest.mark.parametrize("name", CODINGS)
def test_no_part_is_large_however_much_a_few_bytes_stand_for(name: str) -> None:
    coding, code = CODINGS[name]

    parts = [len(part) for part in decode_parts(code(bytes(4 << 20)), make_decoder(coding))]

    assert (sum(parts), max(parts) <= 1 << 19) == (4 << 20, True)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("gzip", b"junk"),
        ("deflate", b"junk"),
        ("deflate", gzip.compress(b"x")),
        ("deflate without a header", gzip.compress(b"x")),
    ],
)
def test_what_follows_the_end_is_noticed(name: str, code: bytes) -> None:
    coding, encode = CODINGS[name]
    decoder = make_decoder(coding)

    for piece in (encode(b"abc"), code, code):
        assert b"".join(decoder.decode(piece)) in {b"abc", b""}

    assert decoder.trails
