"""HTTP/2 over one connection, frame by frame, so that a test decides what is sent when."""

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)

from tests.integration.wire import PATIENCE_SECONDS, Headers


@dataclass
class Stream:
    """What has come of an answer so far."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    ended: bool = False
    go_ahead: bool = False
    reset: bool = False


class H2Wire:
    """One connection with prior knowledge (RFC 9113, 3.3)."""

    def __init__(self, url: str) -> None:
        """Connect, and waits for the server's settings."""
        address = urlsplit(url)
        assert address.hostname is not None
        self._authority = address.netloc
        self._socket = socket.create_connection((address.hostname, address.port or 80), PATIENCE_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._streams: dict[int, Stream] = {}
        self._ready = False
        self.terminated = False
        self._h2.initiate_connection()
        self._flush()
        self.wait(lambda: self._ready)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def open(self, method: str, path: str, headers: Headers = (), *, ends: bool = False) -> int:
        """Send the head of a request; returns its stream's number."""
        number = self._h2.get_next_available_stream_id()
        self._streams[number] = Stream()
        pseudo = [(":method", method), (":scheme", "http"), (":authority", self._authority), (":path", path)]
        self._h2.send_headers(number, [*pseudo, *headers], end_stream=ends)
        self._flush()
        return number

    def send(self, number: int, data: bytes, *, ends: bool = False) -> None:
        """Send data, waiting for the server to make room for it."""
        while True:
            room = min(self._h2.local_flow_control_window(number), self._h2.max_outbound_frame_size)
            if data and room == 0:
                self._receive()
                continue
            piece, data = data[:room], data[room:]
            self._h2.send_data(number, piece, end_stream=ends and not data)
            self._flush()
            if not data:
                return

    def answer(self, number: int) -> Stream:
        """Wait for the whole answer."""
        stream = self._streams[number]
        self.wait(lambda: stream.ended or stream.reset)
        return stream

    def status(self, number: int) -> int:
        """Wait for the head of the answer."""
        stream = self._streams[number]
        self.wait(lambda: bool(stream.status) or stream.reset)
        return stream.status

    def go_ahead(self, number: int) -> bool:
        """Wait for an answer, an interim one or the last. Return whether it says to continue."""
        stream = self._streams[number]
        self.wait(lambda: stream.go_ahead or bool(stream.status) or stream.reset)
        return stream.go_ahead

    def first_bytes(self, number: int) -> bytes:
        """Wait for the first bytes of the answer's body."""
        stream = self._streams[number]
        self.wait(lambda: bool(stream.body) or stream.reset)
        return stream.body

    def leave(self, number: int) -> None:
        """Reset one stream; the others go on."""
        self._h2.reset_stream(number, ErrorCodes.CANCEL)
        self._flush()

    def wait(self, done: Callable[[], bool]) -> None:
        """Take what the server sends until it is done, or the connection ends."""
        while not done() and not self.terminated:
            self._receive()

    def _receive(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            self.terminated = True
            return
        for event in self._h2.receive_data(data):
            self._take(event)
        self._flush()

    def _take(self, event: Event) -> None:
        match event:
            case RemoteSettingsChanged():
                self._ready = True
            case ResponseReceived(stream_id=number, headers=headers):
                fields = {str(name): str(value) for name, value in headers or ()}
                stream = self._streams[number]
                stream.status, stream.headers = int(fields.pop(":status")), fields
            case InformationalResponseReceived(stream_id=number, headers=headers):
                self._streams[number].go_ahead |= (":status", "100") in (headers or ())
            case DataReceived(stream_id=number, data=data, flow_controlled_length=length):
                self._streams[number].body += data or b""
                self._h2.acknowledge_received_data(length or 0, number)
            case StreamEnded(stream_id=number):
                self._streams[number].ended = True
            case StreamReset(stream_id=number):
                self._streams[number].reset = True
            case ConnectionTerminated():
                self.terminated = True

    def _flush(self) -> None:
        self._socket.sendall(self._h2.data_to_send())
