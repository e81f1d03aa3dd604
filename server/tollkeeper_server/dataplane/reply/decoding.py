"""Content codings (RFC 9110, 8.4.1), undone as an answer arrives.

Identity is what upstreams are asked for; some code their answers all the same.
"""

import sys
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Protocol

import brotli

from tollkeeper_server.dataplane.headers import content_coding
from tollkeeper_server.dataplane.request.peek import media_type
from tollkeeper_server.dataplane.transport import GarbageError, Incoming
from tollkeeper_server.snapshot.model import Header

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# So much is decoded at once, however much more a few bytes stand for.
_PART = 256 * 1024
_GZIP = 31  # zlib's name for it
_GZIP_BEGINS = b"\x1f\x8b"


class _Decoder(Protocol):
    """Undoes one coding. `decode` yields parts of bounded size, and raises `ValueError`."""

    def decode(self, piece: bytes) -> Iterator[bytes]: ...
    def ended(self) -> bool: ...


class _Zlib:
    """gzip, and deflate with its header (RFC 1950) or, as some send it, without."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=_GZIP)
        self._head: bytes | None = b""  # until it is known which of them it is

    def decode(self, piece: bytes) -> Iterator[bytes]:
        if self._head is not None:
            piece = self._head + piece
            if len(piece) < 2:
                self._head = piece
                return
            self._head = None
            if not piece.startswith(_GZIP_BEGINS):
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
                    if not piece.startswith(_GZIP_BEGINS[:1]):
                        return
                    self._inflate = zlib.decompressobj(wbits=_GZIP)  # several members (RFC 1952, 2.2)
        except zlib.error as error:
            raise ValueError(str(error)) from error

    def ended(self) -> bool:
        return self._inflate.eof


class _Brotli:
    def __init__(self) -> None:
        self._inflate = brotli.Decompressor()

    def decode(self, piece: bytes) -> Iterator[bytes]:
        try:
            yield self._inflate.process(piece, output_buffer_limit=_PART)
            while not self._inflate.can_accept_more_data():
                yield self._inflate.process(b"", output_buffer_limit=_PART)
        except brotli.error as error:
            raise ValueError(str(error)) from error

    def ended(self) -> bool:
        return bool(self._inflate.is_finished())


class _Zstandard:
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


_DECODERS: dict[bytes, Callable[[], _Decoder]] = {
    b"gzip": _Zlib,
    b"x-gzip": _Zlib,
    b"deflate": _Zlib,
    b"br": _Brotli,
    b"zstd": _Zstandard,
}


def is_coding(coding: bytes) -> bool:
    """Return whether a content coding is one that can be undone."""
    return coding in _DECODERS


def decode_body(body: bytes, coding: bytes, limit: int) -> bytes:
    """Return a body without its coding: as it is if that is unknown, and nothing if it can't be undone.

    Of what is longer than `limit`, the rest is left out.
    """
    if coding not in _DECODERS:
        return body
    parts: list[bytes] = []
    size = 0
    try:
        for part in _DECODERS[coding]().decode(body):
            parts.append(part)
            size += len(part)
            if size >= limit:
                break
    except ValueError:
        return b""
    return b"".join(parts)


def decode_stream(incoming: Incoming, *, asked_stream: bool) -> Incoming:
    """Return an answer without a coding that can be undone if it is a stream, or if one was asked for."""
    coding = content_coding(incoming.headers)
    if not is_coding(coding):
        return incoming
    if not asked_stream:
        kinds = [value for name, value in incoming.headers if name.lower() == b"content-type"]
        if not kinds or media_type(kinds[0]) != b"text/event-stream":
            return incoming
    return Decoded(incoming, coding)


class Decoded:
    """An answer without its content coding: an `Incoming` that decodes as it is read."""

    __slots__ = ("_coding", "_decoder", "_incoming", "_parts", "headers", "status")

    def __init__(self, incoming: Incoming, coding: bytes) -> None:
        self.status: int = incoming.status
        self.headers: list[Header] = [
            header
            for header in incoming.headers
            if header[0].lower() not in {b"content-encoding", b"content-length"}
        ]
        self._incoming = incoming
        self._coding = coding
        self._decoder = _DECODERS[coding]()
        self._parts = self._decode()

    def whole_body(self) -> bytes | None:
        """Return None: it is decoded as it is read."""
        return None

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield what arrives, decoded. Raises `TransportError`, also where it can't be decoded."""
        return self._parts

    async def pour(self, take: Callable[[bytes], bool]) -> bool:
        """Hand over what arrives, decoded."""
        async for part in self._parts:
            if not take(part):
                return False
        return True

    def close(self) -> None:
        """Let go of the answer."""
        self._incoming.close()

    async def _decode(self) -> AsyncIterator[bytes]:
        empty = True
        try:
            async for chunk in self._incoming.chunks():
                empty = empty and not chunk
                for part in self._decoder.decode(chunk):
                    if part:
                        yield part
        except ValueError as error:
            raise GarbageError(f"the answer is not {self._coding.decode()}, which it claims to be") from error
        if not empty and not self._decoder.ended():
            raise GarbageError(f"the answer's {self._coding.decode()} coding has no end")
