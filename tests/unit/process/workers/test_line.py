"""Messages and sockets come over a line in their order, and its end is heard once."""

import asyncio
import socket
from collections.abc import Sequence

from tollkeeper_server.process.workers.line import Closed, Line, Message, Opened, Ready, pair


class Heard:
    """What comes over a line."""

    def __init__(self, line: Line) -> None:
        self.messages: asyncio.Queue[tuple[Message, Sequence[socket.socket]]] = asyncio.Queue()
        self.ends = 0
        self.ended = asyncio.Event()
        line.start(lambda message, sockets: self.messages.put_nowait((message, sockets)), self._end)

    def _end(self) -> None:
        self.ends += 1
        self.ended.set()


async def test_a_socket_comes_with_its_message() -> None:
    first, second = pair()
    heard = Heard(second)
    with socket.create_server(("127.0.0.1", 0)) as bound:
        first.send(Ready("hello"))
        first.send(Opened("127.0.0.1:1"), bound)
        first.send(Closed("127.0.0.1:1"))
        assert await heard.messages.get() == (Ready("hello"), [])
        opened, (same,) = await heard.messages.get()
        assert opened == Opened("127.0.0.1:1")
        with same:
            assert same.getsockname() == bound.getsockname()
        assert await heard.messages.get() == (Closed("127.0.0.1:1"), [])
    first.close()
    await heard.ended.wait()
    second.send(Ready())  # nobody is there any more
    second.close()
    assert heard.ends == 1


async def test_one_that_does_not_read_is_given_up() -> None:
    first, second = pair()
    heard = Heard(first)
    while not heard.ended.is_set():
        first.send(Ready("x" * 10_000))
    second.close()
