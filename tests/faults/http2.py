"""HTTP/2 on one connection, a frame at a time."""

import json
import socket
from collections import defaultdict
from typing import Self

import h2.connection
import h2.errors
import h2.events

from tests.faults.traffic import PATIENCE, headers_of, question


class Connection:
    """One connection with prior knowledge (h2c), for calls whose streams the test ends as it likes."""

    def __init__(self, url: str) -> None:
        """Connects to `http://HOST:PORT`."""
        self.authority = url.rpartition("/")[2]
        host, _, port = self.authority.partition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=PATIENCE)
        self._state = h2.connection.H2Connection()
        self._state.initiate_connection()
        self._bodies: defaultdict[int, bytes] = defaultdict(bytes)
        self._statuses: dict[int, int] = {}
        self._ended: set[int] = set()
        self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, secret: str, simulate: str, model: str, *, stream: bool) -> int:
        """Asks for a chat completion, and returns the number of its stream."""
        number = self._state.get_next_available_stream_id()
        head = {":method": "POST", ":scheme": "http", ":authority": self.authority}
        head |= {":path": "/v1/chat/completions", "content-type": "application/json"}
        self._state.send_headers(number, [*(head | headers_of(secret, simulate, model)).items()])
        self._state.send_data(number, json.dumps(question(model, stream=stream)).encode(), end_stream=True)
        self._flush()
        return number

    def reset(self, number: int) -> None:
        """Leaves one call; the others go on."""
        self._state.reset_stream(number, h2.errors.ErrorCodes.CANCEL)
        self._flush()

    def first_data(self, number: int) -> bytes:
        """Waits for the first bytes of an answer's body."""
        while not self._bodies[number]:
            self._receive()
        return self._bodies[number]

    def whole(self, number: int) -> tuple[int, bytes]:
        """Waits for the end of an answer; returns its status and body."""
        while number not in self._ended:
            self._receive()
        return self._statuses[number], self._bodies[number]

    def _receive(self) -> None:
        data = self._socket.recv(65536)
        assert data, "the connection ended"
        for event in self._state.receive_data(data):
            match event:
                case h2.events.ResponseReceived(stream_id=number, headers=headers):
                    self._statuses[number] = int(dict(headers)[b":status"])
                case h2.events.DataReceived(stream_id=number, data=body):
                    self._bodies[number] += body
                    self._state.acknowledge_received_data(event.flow_controlled_length, number)
                case h2.events.StreamEnded(stream_id=number):
                    self._ended.add(number)
                case h2.events.StreamReset(stream_id=number):
                    raise AssertionError(f"stream {number} was reset")
        self._flush()

    def _flush(self) -> None:
        self._socket.sendall(self._state.data_to_send())
