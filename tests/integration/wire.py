"""HTTP/1.1 spoken byte by byte, so that tests see what really goes over the wire."""

import socket
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

import msgspec

Headers = Iterable[tuple[str, str]]
PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class Answer:
    """An answer. Header names are lower case, in the order of the wire."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str | None:
        """Return the only value of a header, or None if it is not there."""
        values = [value for found, value in self.headers if found == name]
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None

    def json(self) -> dict[str, object]:
        """Return the JSON object in the body."""
        return msgspec.json.decode(self.body, type=dict[str, object])

    @property
    def error(self) -> dict[str, object]:
        """The error object that OpenAI's clients look for."""
        return msgspec.convert(self.json()["error"], dict[str, object])


def bearer(token: str) -> tuple[str, str]:
    """Return the header that presents a token."""
    return ("authorization", f"Bearer {token}")


def compose(method: str, path: str, headers: Headers = (), body: bytes | None = None) -> bytes:
    """Return a whole request; a body's length is declared unless a header says how it is framed."""
    fields = [("host", "gateway.test"), *headers]
    names = {name.lower() for name, _ in fields}
    if body is not None and not names & {"content-length", "transfer-encoding"}:
        fields.append(("content-length", str(len(body))))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode("latin-1") + (body or b"")


class Wire:
    """One connection to `http(s)://HOST:PORT`."""

    def __init__(
        self, url: str, *, timeout: float = PATIENCE_SECONDS, tls: ssl.SSLContext | None = None
    ) -> None:
        """Connect; every wait is bounded by `timeout` seconds."""
        address = urlsplit(url)
        assert address.hostname is not None
        self._socket = socket.create_connection((address.hostname, address.port or 80), timeout=timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname=address.hostname)
        self._reader = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(data)

    def finish_sending(self) -> None:
        """Say that nothing more will be sent."""
        self._socket.shutdown(socket.SHUT_WR)

    def ask(self, method: str, path: str, headers: Headers = (), body: bytes | None = None) -> Answer:
        """Send a request and returns the whole answer."""
        self.send(compose(method, path, headers, body))
        return self.answer(method)

    def answer(self, method: str = "GET") -> Answer:
        """Read a whole answer, passing over interim ones."""
        head = self.head()
        while 100 <= head.status < 200:
            head = self.head()
        return Answer(head.status, head.headers, b"".join(self.body(head, method)))

    def head(self) -> Answer:
        """Read a status line and headers. Raises `EOFError` if the connection ends instead."""
        line = self._reader.readline()
        if not line:
            raise EOFError("the connection ended")
        version, _, rest = line.partition(b" ")
        assert version == b"HTTP/1.1", line
        headers: list[tuple[str, str]] = []
        while (line := self._reader.readline()) != b"\r\n":
            assert line.endswith(b"\r\n"), line
            name, colon, value = line.decode("latin-1").partition(":")
            assert colon, line
            headers.append((name.lower(), value.strip()))
        return Answer(int(rest[:3]), headers)

    def body(self, head: Answer, method: str = "GET") -> Iterator[bytes]:
        """Yield the body as it arrives, framed as the head says; a chunk at a time if in chunks."""
        if method == "HEAD" or head.status in {204, 304}:
            return
        if head.header("transfer-encoding") == "chunked":
            while size := int(self._reader.readline(), 16):
                yield self._exactly(size)
                assert self._reader.readline() == b"\r\n"
            assert self._reader.readline() == b"\r\n"
        elif (length := head.header("content-length")) is not None:
            yield self._exactly(int(length))
        else:
            yield self._reader.read()

    def _exactly(self, size: int) -> bytes:
        data = self._reader.read(size)
        if len(data) != size:
            raise EOFError(f"the body ended {size - len(data)} bytes too early")
        return data

    def rest(self) -> bytes:
        """Read whatever comes until the other side closes the connection."""
        return self._reader.read()

    def ended(self) -> bool:
        """Wait for more, and tell whether the other side has closed the connection instead."""
        try:
            return not self._reader.peek(1)
        except ConnectionResetError:
            return True


def ask(url: str, method: str, path: str, headers: Headers = (), body: bytes | None = None) -> Answer:
    """Send one request over a connection of its own, and returns the whole answer."""
    with Wire(url) as wire:
        return wire.ask(method, path, headers, body)


def form(
    fields: dict[str, str], files: dict[str, bytes], boundary: str = "boundary-7f3a"
) -> tuple[str, bytes]:
    """Return the content type and the body of a multipart form."""
    head = f'--{boundary}\r\ncontent-disposition: form-data; name="{{}}"{{}}\r\n\r\n'
    parts = [head.format(name, "").encode() + value.encode() + b"\r\n" for name, value in fields.items()]
    for name, content in files.items():
        kind = f'; filename="{name}.bin"\r\ncontent-type: application/octet-stream'
        parts.append(head.format(name, kind).encode() + content + b"\r\n")
    return f"multipart/form-data; boundary={boundary}", b"".join(parts) + f"--{boundary}--\r\n".encode()
