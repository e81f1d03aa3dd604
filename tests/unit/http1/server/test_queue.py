"""Requests take their turns, and every end of a connection follows the last answer."""

import asyncio
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.caller import Message, Receive, Send
from tollkeeper_server.http1.server.parse import RequestHead
from tollkeeper_server.http1.server.queue import RequestQueue
from tollkeeper_server.http1.server.refusal import NOT_HTTP

from tests.unit.http1.server.served import caller_of


@dataclass
class Connection:
    """The listener, and a connection that notes what it is told."""

    loop: asyncio.AbstractEventLoop
    name: str = "test"
    client: tuple[str, int] | None = None
    blocked: asyncio.Future[None] | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    said: list[str] = field(default_factory=list)
    reads: bool = True

    async def app(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer with the path, in a while."""
        assert len(self.tasks) == 1
        await asyncio.sleep(0)
        path = scope["path"]
        headers = [(b"content-length", b"%d" % len(path))]
        if path == "/close":
            headers.append((b"connection", b"close"))
        caller_of(scope).answer(200, headers, path.encode())

    def write(self, *pieces: bytes) -> None:
        """Note the status and the body of an answer."""
        head, _, body = b"".join(pieces).partition(b"\r\n\r\n")
        self.said.append(body.decode() if head.startswith(b"HTTP/1.1 200 ") else "refused")

    def pause_reading(self) -> None:
        """Note it."""
        self.reads = False

    def resume_reading(self) -> None:
        """Note it."""
        self.reads = True

    def rest(self) -> None:
        """Note it."""
        self.said.append("rest")

    def close(self) -> None:
        """Note it."""
        self.said.append("close")

    def linger(self) -> None:
        """Note it."""
        self.said.append("linger")

    def reset(self) -> None:
        """Note it."""
        self.said.append("reset")

    async def idle(self) -> None:
        """Return when every request that may be answered is."""
        while self.tasks:
            await asyncio.gather(*self.tasks)


def ask(queue: RequestQueue, path: str, *, whole: bool = True) -> None:
    """Let a request come in."""
    cycle = queue.begin(RequestHead("POST", "1.1", path.encode(), b"", [], True, False, 0))
    if whole:
        cycle.feed_end()


@given(
    st.lists(st.booleans(), max_size=12),
    st.sampled_from(["", "refused", "refused in a body"]),
    st.integers(0, 12),
)
def test_answers_come_in_order_and_the_end_comes_last(turns: list[bool], end: str, closing: int) -> None:
    """`turns` says after which request all that was asked is answered before the next is."""

    async def run() -> None:
        connection = Connection(asyncio.get_running_loop())
        queue = RequestQueue(connection, connection)
        asked = ["/close" if number == closing else f"/{number}" for number in range(len(turns))]
        for path, waits in zip(asked, turns, strict=True):
            ask(queue, path)
            if waits:
                await connection.idle()
                if "close" in connection.said:
                    break
        if end == "refused in a body" and "close" not in connection.said:
            ask(queue, "/broken", whole=False)
        if end and "close" not in connection.said:
            queue.refuse(NOT_HTTP)
        await connection.idle()

        said = [it for it in connection.said if it != "rest"]
        if "/close" in asked:
            asked = asked[: asked.index("/close") + 1]
            assert said == [*asked, "close"]
        elif end:
            assert said == [*asked, "refused", "linger"]
        else:
            assert said == asked
            assert connection.reads
            assert connection.said[-1:] in ([], ["rest"])

    asyncio.run(run())


def test_a_caller_that_leaves_is_owed_no_answer() -> None:
    async def run() -> None:
        connection = Connection(asyncio.get_running_loop())
        queue = RequestQueue(connection, connection)
        ask(queue, "/1")
        ask(queue, "/2")
        assert not connection.reads
        await asyncio.sleep(0)
        queue.leave()
        await connection.idle()
        assert connection.said == []
        assert (queue.current, queue.latest) == (None, None)

    asyncio.run(run())
