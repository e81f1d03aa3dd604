"""An upstream that answers with exactly the bytes a test gives it, and keeps the bytes it gets."""

import socket
import threading
from dataclasses import dataclass
from queue import Queue
from typing import BinaryIO, Self

PATIENCE_SECONDS = 20.0
OK = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


@dataclass(frozen=True)
class Head:
    """A request's first line and headers, in the order and case of the wire."""

    line: str
    headers: list[tuple[str, str]]

    @property
    def target(self) -> str:
        """The request target."""
        return self.line.split(" ")[1]

    def header(self, name: str) -> str | None:
        """Return the only value of a header, or None if it is not there."""
        values = [value for found, value in self.headers if found.lower() == name]
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None

    @property
    def names(self) -> set[str]:
        """The names of all headers, in lower case."""
        return {name.lower() for name, _ in self.headers}


class ScriptedUpstream:
    """Serves one connection after the other, one request on each."""

    def __init__(self) -> None:
        """Listen on a free port, in a thread."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._answers: Queue[bytes] = Queue()
        self._heads: Queue[Head] = Queue()
        self._bodies: Queue[bytes] = Queue()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def forget(self) -> None:
        """Forget what was received and not asked for, and answers that nobody fetched."""
        for queue in (self._answers, self._heads, self._bodies):
            while not queue.empty():
                queue.get_nowait()

    def will_answer(self, answer: bytes) -> None:
        """Say what the next request is answered with."""
        self._answers.put(answer)

    def next_head(self) -> Head:
        """Wait for the head of a request, whose body may still be on its way."""
        return self._heads.get(timeout=PATIENCE_SECONDS)

    def next_body(self) -> bytes:
        """Wait for the body of a request to have arrived."""
        return self._bodies.get(timeout=PATIENCE_SECONDS)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE_SECONDS)
            with connection, connection.makefile("rb") as reader:
                head = _read_head(reader)
                if head is None:
                    continue
                self._heads.put(head)
                self._bodies.put(_read_body(reader, head))
                connection.sendall(self._answers.get(timeout=PATIENCE_SECONDS))


def _read_head(reader: BinaryIO) -> Head | None:
    line = reader.readline().decode("latin-1").rstrip("\r\n")
    if not line:
        return None
    headers: list[tuple[str, str]] = []
    while text := reader.readline().decode("latin-1").rstrip("\r\n"):
        name, _, value = text.partition(":")
        headers.append((name, value.strip(" ")))
    return Head(line, headers)


def _read_body(reader: BinaryIO, head: Head) -> bytes:
    if head.header("transfer-encoding") is None:
        return reader.read(int(head.header("content-length") or 0))
    pieces: list[bytes] = []
    while size := int(reader.readline(), 16):
        pieces.append(reader.read(size))
        reader.readline()
    reader.readline()
    return b"".join(pieces)
