"""HTTP/1.1 as h11 reads it, to hold other readers to."""

from dataclasses import dataclass

import h11

Headers = list[tuple[bytes, bytes]]


@dataclass
class Message:
    """A whole message: its first line's words (of an answer, its status), headers and body."""

    line: tuple[bytes, ...]
    headers: Headers
    body: bytes = b""


def read_requests(data: bytes) -> list[Message]:
    """Return the requests as far as h11 reads them, each one whole, and each is answered at once."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    found: list[Message] = []
    try:
        connection.receive_data(data)
        while (message := _next(connection)) is not None:
            found.append(message)
            connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
            connection.send(h11.EndOfMessage())
            connection.start_next_cycle()
    except (h11.RemoteProtocolError, h11.LocalProtocolError):
        pass
    return found


def read_answer(data: bytes) -> Message | None:
    """Return the answer to a POST, after which the connection ends; None if h11 refuses it."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    connection.send(h11.Request(method="POST", target="/", headers=[("host", "h"), ("content-length", "0")]))
    connection.send(h11.EndOfMessage())
    try:
        connection.receive_data(data)
        connection.receive_data(b"")
        return _next(connection)
    except h11.RemoteProtocolError:
        return None


def _next(connection: h11.Connection) -> Message | None:
    message: Message | None = None
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            message = Message((event.method, event.target, event.http_version), [*event.headers])
        elif isinstance(event, h11.Response):
            message = Message((b"%d" % event.status_code,), [*event.headers])
        elif isinstance(event, h11.Data):
            assert message is not None
            message.body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return message
        elif not isinstance(event, h11.InformationalResponse):
            return None  # more would have to come, or nothing does
