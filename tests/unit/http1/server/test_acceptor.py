"""Callers who have connected are accepted many at a time, and each gets a connection or is let go."""

import asyncio
import socket
from contextlib import ExitStack
from typing import cast

from tollkeeper_server.doors.sockets import bind
from tollkeeper_server.http1.server.acceptor import Acceptor, PlainArrivals

CALLERS = 100
PATIENCE_SECONDS = 20.0


class Greeting(asyncio.Protocol):
    """Greets each caller."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        greeted = cast("asyncio.Transport", transport)  # uvloop's is none by its type
        greeted.write(b"hello")
        greeted.close()


async def test_a_crowd_is_accepted_in_few_turns() -> None:
    """The event loop itself accepts one in each turn: the last of a crowd waits for as many turns."""
    bound, made = bind("127.0.0.1:0", "test", "TEST"), 0

    class Counting(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            nonlocal made
            made += 1
            transport.close()

    arrivals = PlainArrivals(Counting)
    acceptor = Acceptor(bound, arrivals)
    with ExitStack() as stack:
        for _ in range(CALLERS):
            stack.enter_context(socket.create_connection(bound.getsockname(), PATIENCE_SECONDS))
        acceptor.open()
        turns = 0
        while made < CALLERS:
            await asyncio.sleep(0)
            turns += 1
        acceptor.close()
        await arrivals.finish(PATIENCE_SECONDS)
    assert turns < CALLERS / 4


async def test_those_who_have_connected_are_accepted_before_the_socket_closes() -> None:
    bound = bind("127.0.0.1:0", "test", "TEST")
    arrivals = PlainArrivals(Greeting)
    acceptor = Acceptor(bound, arrivals)
    with ExitStack() as stack:
        callers = [
            stack.enter_context(socket.create_connection(bound.getsockname(), PATIENCE_SECONDS))
            for _ in range(CALLERS)
        ]
        acceptor.open()
        acceptor.accept_rest()
        acceptor.close()
        await arrivals.finish(PATIENCE_SECONDS)
        greeted = [await asyncio.to_thread(caller.recv, 5) for caller in callers]
    assert greeted == [b"hello"] * CALLERS


async def test_a_caller_who_has_left_again_is_let_go() -> None:
    bound = bind("127.0.0.1:0", "test", "TEST")
    arrivals = PlainArrivals(Greeting)
    acceptor = Acceptor(bound, arrivals)
    socket.create_connection(bound.getsockname(), PATIENCE_SECONDS).close()
    with socket.create_connection(bound.getsockname(), PATIENCE_SECONDS) as staying:
        acceptor.open()
        assert await asyncio.to_thread(staying.recv, 5) == b"hello"
    acceptor.close()
    await arrivals.finish(PATIENCE_SECONDS)


async def test_one_that_has_enough_waits_a_moment_for_others_and_not_for_ever() -> None:
    """What no other process accepts, it accepts itself."""
    bound, made, asked = bind("127.0.0.1:0", "test", "TEST"), 0, 0
    all_made = asyncio.Event()

    class Counting(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            nonlocal made
            made += 1
            transport.close()
            if made == CALLERS:
                all_made.set()

    def has_enough() -> bool:
        nonlocal asked
        asked += 1
        assert made <= 2 * asked
        return True

    arrivals = PlainArrivals(Counting)
    acceptor = Acceptor(bound, arrivals, has_enough)
    with ExitStack() as stack:
        for _ in range(CALLERS):
            stack.enter_context(socket.create_connection(bound.getsockname(), PATIENCE_SECONDS))
        acceptor.open()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await all_made.wait()
        acceptor.close()
        await arrivals.finish(PATIENCE_SECONDS)
