"""HTTP/2 in frames that no library would send: a caller who means harm, over one connection."""

import asyncio
import struct
from collections import Counter
from collections.abc import Mapping
from typing import Self

from hpack import Encoder

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
INITIAL_WINDOW_SIZE = 4
_FRAME = 16384


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return one frame (RFC 9113, 4.1)."""
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def settings(values: Mapping[int, int]) -> bytes:
    """Return a frame of settings."""
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", name, value) for name, value in values.items()))


def call_headers(path: str, *, token: str = "", method: str = "POST", grpc: bool = True) -> bytes:
    """Return a request's header block, the same for every stream: it adds nothing to the dynamic table."""
    fields = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "gateway")]
    if grpc:
        fields += [("te", "trailers"), ("content-type", "application/grpc")]
    if token:
        fields += [("authorization", f"Bearer {token}")]
    encoder = Encoder()
    encoder.header_table_size = 0
    return encoder.encode(fields)


class RawH2:
    """A connection. What comes is counted by the kind of its frame; what the server grants is kept."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._initial = 65535
        self._windows: dict[int, int] = {}
        self._changed = asyncio.Event()
        self._next = 1
        self.room = 65535
        """How much the connection as a whole may still be sent."""
        self.frames: Counter[int] = Counter()
        """What has come, by the kind of the frame."""
        self.ended = False
        self._taking = asyncio.create_task(self._take())

    @classmethod
    async def connect(cls, address: str, *, window: int = 65535) -> Self:
        """Connect and greet. `window` is how much of each answer the server may send at first."""
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(PREFACE + settings({INITIAL_WINDOW_SIZE: window}))
        return cls(reader, writer)

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)

    async def drain(self) -> None:
        """Wait until the server takes what was sent."""
        await self._writer.drain()

    def open(self, headers: bytes, *, ends: bool = False) -> int:
        """Open a stream and return its number."""
        number, self._next = self._next, self._next + 2
        self._windows[number] = self._initial
        self.write(frame(HEADERS, END_HEADERS | (END_STREAM if ends else 0), number, headers))
        return number

    async def send(self, number: int, data: bytes) -> int:
        """Send as much data as the server takes, and return how much that was when it took no more."""
        sent = 0
        while sent < len(data) and not self.ended and number in self._windows:
            room = min(self.room, self._windows[number], _FRAME, len(data) - sent)
            if room <= 0:
                self._changed.clear()
                try:
                    async with asyncio.timeout(1):
                        await self._changed.wait()
                except TimeoutError:
                    break
                continue
            self.write(frame(DATA, 0, number, data[sent : sent + room]))
            self.room -= room
            self._windows[number] -= room
            sent += room
            await self.drain()
        return sent

    async def close(self) -> None:
        """Cut it off."""
        self._taking.cancel()
        await asyncio.gather(self._taking, return_exceptions=True)
        self._writer.transport.abort()

    async def _take(self) -> None:
        try:
            while True:
                head = await self._reader.readexactly(9)
                payload = await self._reader.readexactly(int.from_bytes(head[:3], "big"))
                self._took(head[3], head[4], int.from_bytes(head[5:], "big"), payload)
        except (asyncio.IncompleteReadError, OSError):
            self.ended = True
            self._changed.set()

    def _took(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        self.frames[kind] += 1
        if kind == WINDOW_UPDATE:
            more = int.from_bytes(payload, "big")
            if number == 0:
                self.room += more
            elif number in self._windows:
                self._windows[number] += more
        elif kind == SETTINGS and not flags & ACK:
            for name, value in struct.iter_unpack(">HI", payload):
                if name == INITIAL_WINDOW_SIZE:
                    for stream in self._windows:
                        self._windows[stream] += value - self._initial
                    self._initial = value
            self.write(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.write(frame(PING, ACK, 0, payload))
        elif kind == RST_STREAM or (kind in {DATA, HEADERS} and flags & END_STREAM):
            self._windows.pop(number, None)
        self._changed.set()
