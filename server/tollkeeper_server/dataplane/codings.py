"""Content codings (RFC 9110, 8.4.1), undone a part at a time."""

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# So much is decoded at once, however much more a few bytes stand for.
_PART = 256 * 1024
# So much of a whole body is given to a decoder, which copies what it has not looked at yet.
_SLICE = 16 * 1024
_GZIP = 31  # zlib's name for it
_GZIP_BEGINS = b"\x1f\x8b"

IDENTITY = b"identity"
"""The name of no coding (RFC 9110, 12.5.3)."""
TAKEN = b"gzip, deflate, br, zstd"
"""The codings that can be undone, as `Accept-Encoding` says them."""


class Decoder(Protocol):
    """Undoes one coding. `decode` yields parts of bounded size, and raises `ValueError`.

    `ended` says that the end of the coding was reached, `trails` that something else came after it.
    """

    trails: bool

    def decode(self, piece: bytes) -> Iterator[bytes]: ...
    def ended(self) -> bool: ...


class _Zlib:
    """gzip, and deflate with its header (RFC 1950) or, as some send it, without."""

    def __init__(self) -> None:
        self.trails = False
        self._inflate = zlib.decompressobj(wbits=_GZIP)
        self._head: bytes | None = b""  # until it is known which of them it is
        self._is_gzip = True

    def decode(self, piece: bytes) -> Iterator[bytes]:
        if self.trails:
            return
        if self._head is not None:
            piece = self._head + piece
            if len(piece) < 2:
                self._head = piece
                return
            self._head = None
            if not piece.startswith(_GZIP_BEGINS):
                self._is_gzip = False
                has_header = piece[0] & 15 == 8 and int.from_bytes(piece[:2], "big") % 31 == 0
                self._inflate = zlib.decompressobj(wbits=15 if has_header else -15)
        try:
            part = b""
            while piece or len(part) == _PART:
                part = self._inflate.decompress(piece, _PART)
                yield part
                piece = self._inflate.unconsumed_tail
                if self._inflate.eof:
                    piece = self._inflate.unused_data
                    if not self._is_gzip or not piece.startswith(_GZIP_BEGINS[:1]):
                        self.trails = bool(piece)
                        return
                    self._inflate = zlib.decompressobj(wbits=_GZIP)  # several members (RFC 1952, 2.2)
        except zlib.error as error:
            raise ValueError(str(error)) from error

    def ended(self) -> bool:
        return self._inflate.eof


class _Brotli:
    trails = False  # it takes nothing after its end

    def __init__(self) -> None:
        self._inflate = brotli.Decompressor()

    def decode(self, piece: bytes) -> Iterator[bytes]:
        # It may have taken all of the piece, and yet hold back what is above the limit.
        inflate = self._inflate
        try:
            part = inflate.process(piece, output_buffer_limit=_PART)
            yield part
            while not inflate.is_finished() and (part or not inflate.can_accept_more_data()):
                part = inflate.process(b"", output_buffer_limit=_PART)
                yield part
        except brotli.error as error:
            raise ValueError(str(error)) from error

    def ended(self) -> bool:
        return bool(self._inflate.is_finished())


class _Zstandard:
    trails = False  # what follows is another frame, or an error

    def __init__(self) -> None:
        self._inflate = zstd.ZstdDecompressor()

    def decode(self, piece: bytes) -> Iterator[bytes]:
        try:
            while True:
                if self._inflate.eof:
                    if not piece:
                        return
                    self._inflate = zstd.ZstdDecompressor()  # several frames (RFC 8878, 3.1)
                yield self._inflate.decompress(piece, _PART)
                piece = self._inflate.unused_data
                if not self._inflate.eof and self._inflate.needs_input:
                    return
        except zstd.ZstdError as error:
            raise ValueError(str(error)) from error

    def ended(self) -> bool:
        return self._inflate.eof


_DECODERS: dict[bytes, Callable[[], Decoder]] = {
    b"gzip": _Zlib,
    b"x-gzip": _Zlib,
    b"deflate": _Zlib,
    b"br": _Brotli,
    b"zstd": _Zstandard,
}


def is_coding(coding: bytes) -> bool:
    """Return whether a content coding is one that can be undone."""
    return coding in _DECODERS


def make_decoder(coding: bytes) -> Decoder:
    """Return what undoes a coding that can be undone."""
    return _DECODERS[coding]()


def decode_parts(body: bytes, decoder: Decoder) -> Iterator[bytes]:
    """Yield what a whole body stands for. Raises `ValueError`."""
    for at in range(0, len(body), _SLICE):
        yield from decoder.decode(body[at : at + _SLICE])


def list_codings(values: list[bytes]) -> tuple[bytes, ...]:
    """Return the codings that the values of `Content-Encoding` say, in the order in which they were applied.

    A header may come in several lines (RFC 9110, 5.3), and elements of its list may be empty (5.6.1).
    """
    names = (name.strip(b" \t").lower() for value in values for name in value.split(b","))
    return tuple(name for name in names if name and name != IDENTITY)
