"""Coded bodies: what they stand for comes whole in bounded parts, or they are refused."""

import gzip
import sys
import zlib
from collections.abc import Sequence
from itertools import islice
from random import Random
from typing import ClassVar

import brotli
from tollkeeper_server.dataplane.codings import decode_parts, make_decoder

from tests.fuzz.target import Target, outcome

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_CODINGS = (b"gzip", b"deflate", b"br", b"zstd")
_MOST_PARTS = 64
_LARGEST_PART = 512 * 1024


class Codings(Target):
    """`dataplane/codings.py`. The first byte of a case chooses the coding."""

    name: ClassVar[str] = "codings"
    words: ClassVar[Sequence[bytes]] = (
        b"\x1f\x8b\x08\0\0\0\0\0\0\0", b"\x78\x9c", b"(\xb5/\xfd", b"\x03\0\0\0\0\0\0\0\0\0", b"\0",
        b"\xff", b"\x50\x2a\x4d\x18",
    )  # fmt: skip

    def check(self, data: bytes, random: Random) -> str:
        """Decode it, as far as it is large."""
        coding = _CODINGS[data[0] % len(_CODINGS)] if data else _CODINGS[0]
        decoder = make_decoder(coding)
        parts: list[bytes] = []
        try:
            for part in islice(decode_parts(data[1:], decoder), _MOST_PARTS):
                assert len(part) <= _LARGEST_PART
                parts.append(part)
        except ValueError as error:
            return f"{coding.decode()} {outcome(error)}"
        if len(parts) < _MOST_PARTS and not decoder.trails:
            expected = _at_once(coding, data[1:])
            assert expected is None or (b"".join(parts) == expected and decoder.ended())
        return f"{coding.decode()} {decoder.ended()} {decoder.trails} {sum(map(len, parts)).bit_length()}"


def _at_once(coding: bytes, data: bytes) -> bytes | None:
    """Return what the whole of coded data stands for, None if it is not whole."""
    try:
        if coding == b"br":
            return bytes(brotli.decompress(data))
        if coding == b"zstd":
            return zstd.decompress(data) if data else None
        if data.startswith(b"\x1f\x8b"):
            return gzip.decompress(data)
        has_header = len(data) > 1 and data[0] & 15 == 8 and int.from_bytes(data[:2], "big") % 31 == 0
        return zlib.decompress(data, zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)
    except (brotli.error, zstd.ZstdError, zlib.error, OSError, EOFError):
        return None
