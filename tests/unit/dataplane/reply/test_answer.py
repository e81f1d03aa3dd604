"""Relaying whole answers: every byte in order, and an end that tells the truth."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.reply.answer import relay_body, send_whole
from tollkeeper_server.dataplane.reply.meter import BodyMeter
from tollkeeper_server.dataplane.reply.sending import BrokenAnswerError
from tollkeeper_server.dataplane.transport import CutError
from tollkeeper_server.providers.dialects import openai
from tollkeeper_server.snapshot.model import Header

from tests.unit.dataplane.caller import Reply, Taker
from tests.unit.dataplane.exchanges import exchange
from tests.unit.dataplane.upstream import Answer, Step


def _exchange() -> tuple[Exchange, Reply]:
    caller = exchange()
    sent: list[dict[str, object]] = []

    async def send(message: object) -> None:
        assert isinstance(message, dict)
        sent.append(message)

    caller.send = send
    return caller, Reply(sent)


async def _whole(steps: Sequence[Step], headers: list[Header], *, listener: bool) -> Reply:
    caller, reply = _exchange()
    if listener:
        caller.caller = Taker(reply.messages)
        caller.body_read = True
    meter = BodyMeter(openai.CHAT, b"identity")
    answer = Answer(steps)
    if not send_whole(caller, answer, headers, meter):
        await relay_body(caller, answer, headers, meter)
    assert caller.response_bytes == len(reply.body)
    assert caller.finished
    assert caller.status == 200
    return reply


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=6), st.booleans(), st.booleans())
def test_a_body_passes_byte_for_byte(pieces: list[bytes], declared: bool, listener: bool) -> None:
    size = sum(map(len, pieces))
    headers = [(b"content-length", str(size).encode())] if declared else []

    reply = asyncio.run(_whole(pieces, headers, listener=listener))

    assert reply.body == b"".join(pieces)
    assert reply.ended


async def test_a_body_that_breaks_off_is_not_ended() -> None:
    caller, reply = _exchange()

    with pytest.raises(BrokenAnswerError, match="gone"):
        await relay_body(caller, Answer([b"half", CutError("gone")]), [(b"content-length", b"8")], None)

    assert reply.body == b"half"
    assert not reply.ended
    assert not caller.finished
