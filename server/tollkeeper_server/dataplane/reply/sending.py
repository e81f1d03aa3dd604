"""The ASGI messages of an answer that is passed on."""

import time

from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.request.body import discard_body
from tollkeeper_server.snapshot.model import Header


class BrokenAnswerError(Exception):
    """The answer broke off after its head was sent: the caller's connection must not end well."""


async def start_answer(exchange: Exchange, status: int, headers: list[Header]) -> None:
    """Send the head of an answer."""
    exchange.status = status
    exchange.first_byte = time.perf_counter_ns()
    await exchange.send({"type": "http.response.start", "status": status, "headers": headers})


async def finish_answer(exchange: Exchange, last: bytes) -> None:
    """Send the last part of an answer, once the request's body has been read or discarded."""
    if not exchange.body_read:
        await discard_body(exchange)
    exchange.finished = True
    await exchange.send({"type": "http.response.body", "body": last, "more_body": False})
