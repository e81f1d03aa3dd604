"""The beginning of an answer, read before the caller gets any of it, and what it used if nothing follows."""

import asyncio
from collections.abc import Callable

from tollkeeper_server.dataplane.aside import record_tokens
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.headers import content_coding
from tollkeeper_server.dataplane.reply.meter import begun
from tollkeeper_server.dataplane.reply.readahead import ReadAhead
from tollkeeper_server.dataplane.transport import Incoming, TransportError


async def read_beginning(
    exchange: Exchange, incoming: Incoming, body: bytes, limit: int, enough: Callable[[bytes], bool]
) -> ReadAhead:
    """Return the answer to `body`, read as far as `ReadAhead.read` does.

    Raises `TransportError` if it breaks off. What was used by then is recorded, also if the task is
    cancelled.
    """
    answer = ReadAhead(incoming)
    try:
        await answer.read(limit, enough)
    except (TransportError, asyncio.CancelledError):
        await record_begun(exchange, answer, body)
        raise
    return answer


async def record_begun(exchange: Exchange, answer: ReadAhead, body: bytes) -> None:
    """Record what the answer to `body` used if no more of it is read than is held."""
    if answer.status >= 300:  # redirects and errors cost no tokens
        return
    dialect, held, coding = exchange.endpoint.dialect, answer.held, content_coding(answer.headers)
    await record_tokens(exchange, len(body) + len(held), lambda: begun(dialect, body, held, coding))
