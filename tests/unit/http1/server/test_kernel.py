"""What is asked of the kernel has an answer, too, between the end of a socket and the word of it."""

import asyncio
from typing import cast

import pytest
import uvloop
from tollkeeper_server.http1.server.kernel import has_unread, reset, socket_of, unsent_bytes


@pytest.mark.parametrize("loop_factory", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uv", "own"])
def test_a_socket_that_is_closed_has_nothing_and_can_be_reset(
    loop_factory: type[asyncio.AbstractEventLoop],
) -> None:
    async def ask() -> None:
        done = asyncio.get_running_loop().create_future()

        class Protocol(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                transport = cast("asyncio.Transport", transport)
                assert socket_of(transport) is not None
                transport.abort()
                reset(transport)
                done.set_result((unsent_bytes(transport), has_unread(transport)))

        loop = asyncio.get_running_loop()
        server = await loop.create_server(Protocol, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await done == (0, False)
        writer.close()
        server.close()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(ask())
