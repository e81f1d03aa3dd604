"""Noticing that the caller has left."""

import asyncio

import pytest
from tollkeeper_server.dataplane.caller import Message
from tollkeeper_server.dataplane.exchange import ClientGoneError, Exchange
from tollkeeper_server.dataplane.request.disconnect import DisconnectWatch

from tests.unit.dataplane.exchanges import exchange


class _Line:
    def __init__(self) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.exchange: Exchange = exchange()
        self.exchange.receive = self.messages.get

    def leave(self) -> None:
        self.messages.put_nowait({"type": "http.disconnect"})


async def test_who_leaves_cancels_what_is_waited_for() -> None:
    line = _Line()
    line.messages.put_nowait({"type": "http.request", "body": b"late", "more_body": False})
    line.leave()

    with pytest.raises(ClientGoneError), DisconnectWatch(line.exchange):
        await asyncio.Event().wait()

    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)


async def test_an_error_that_comes_of_leaving_is_told_as_leaving() -> None:
    line = _Line()
    line.leave()

    async def reading() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionError("cut") from None

    with pytest.raises(ClientGoneError) as caught, DisconnectWatch(line.exchange):
        await reading()

    assert isinstance(caught.value.__cause__, ConnectionError)


async def test_who_stays_is_not_disturbed() -> None:
    line = _Line()

    with DisconnectWatch(line.exchange):
        await asyncio.sleep(0)

    line.leave()
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_an_error_of_ones_own_stays_what_it_is() -> None:
    with pytest.raises(ConnectionError), DisconnectWatch(_Line().exchange):
        raise ConnectionError


async def test_what_servers_say_after_the_end_is_no_leaving() -> None:
    line = _Line()

    with DisconnectWatch(line.exchange):
        line.exchange.finished = True
        line.leave()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    inside = asyncio.Event()

    async def serve() -> None:
        with DisconnectWatch(_Line().exchange):
            inside.set()
            await asyncio.Event().wait()

    serving = asyncio.create_task(serve())
    await inside.wait()
    serving.cancel()

    with pytest.raises(asyncio.CancelledError):
        await serving


async def test_leaving_while_the_process_goes_down_is_a_cancellation() -> None:
    line, inside = _Line(), asyncio.Event()

    async def serve() -> None:
        with DisconnectWatch(line.exchange):
            inside.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                line.leave()
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                raise

    serving = asyncio.create_task(serve())
    await inside.wait()
    serving.cancel()

    with pytest.raises(asyncio.CancelledError):
        await serving
