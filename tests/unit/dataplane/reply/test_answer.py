"""Relaying whole answers: every byte in order, and an end that tells the truth."""

import asyncio
import gzip
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.reply.answer import arrived, pass_on, relay_body, send_whole
from tollkeeper_server.dataplane.reply.meter import BodyMeter
from tollkeeper_server.dataplane.reply.sending import BrokenAnswerError
from tollkeeper_server.dataplane.transport import CutError
from tollkeeper_server.domain.usage import TokenCounts
from tollkeeper_server.providers.dialects import openai
from tollkeeper_server.snapshot.model import Header

from tests.unit.dataplane.caller import Reply, Taker
from tests.unit.dataplane.configured import target
from tests.unit.dataplane.exchanges import exchange
from tests.unit.dataplane.recordings import STREAMS, chat_events, unasked
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
    whole = arrived(caller, answer)
    if whole is None:
        await relay_body(caller, answer, headers, meter)
    else:
        send_whole(caller, answer.status, headers, whole)
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


STREAM = b"".join(chat_events())
SHOWN = b"".join(unasked(chat_events()))


async def _passed(
    body: list[Step], content_type: bytes = b"text/event-stream", *, asked: bool = True, coding: bytes = b""
) -> tuple[Reply, Exchange]:
    caller, reply = _exchange()
    named = [(b"Content-Type", content_type)] if content_type else []
    answer = Answer(body, headers=[*named, *([(b"content-encoding", coding)] if coding else [])])
    await pass_on(caller, answer, b"{}", target(), asked_stream=asked, hide_usage=True)
    return reply, caller


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize(
    "content_type", [b"", b"application/json", b"text/plain; charset=utf-8", b"text/event-stream"]
)
async def test_a_stream_is_told_by_what_comes(content_type: bytes, size: int) -> None:
    reply, caller = await _passed(
        [STREAM[at : at + size] for at in range(0, len(STREAM), size)], content_type
    )

    assert reply.body == SHOWN
    assert dict(reply.headers)[b"content-type"] == b"text/event-stream"
    assert caller.streamed
    assert caller.tokens == STREAMS["chat"][2]


@pytest.mark.parametrize(
    "begin", [b"\xef\xbb\xbf", b"\r\n\n", b": ping\n\n", b"event: x\ndata: {}\n\n", b"retry: 1\n\n"]
)
async def test_a_stream_may_begin_in_many_ways(begin: bytes) -> None:
    _, caller = await _passed([begin + STREAM], b"text/plain")

    assert caller.streamed


@pytest.mark.parametrize("content_type", [b"", b"application/json", b"text/event-stream"])
async def test_a_document_is_one_though_a_stream_was_asked_for(content_type: bytes) -> None:
    body = b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}'

    reply, caller = await _passed([body[:1], body[1:]], content_type)

    assert (reply.body, caller.error_code) == (body, "")
    assert (caller.tokens.prompt, caller.tokens.completion) == (1, 2)


async def test_what_was_not_asked_to_stream_is_not_looked_at() -> None:
    _, caller = await _passed([b"data: text"], b"text/plain", asked=False)

    assert not caller.streamed


@pytest.mark.parametrize("content_type", [b"text/event-stream", b"application/json"])
async def test_a_coded_stream_is_metered_and_passed_on_plainly(content_type: bytes) -> None:
    coded = gzip.compress(STREAM)

    reply, caller = await _passed([coded[:30], coded[30:]], content_type, coding=b"GZIP")

    assert reply.body == SHOWN
    assert b"content-encoding" not in dict(reply.headers)
    assert caller.tokens == STREAMS["chat"][2]


async def test_a_coded_stream_that_breaks_off_ends_as_others_do() -> None:
    reply, caller = await _passed([gzip.compress(STREAM)[:90]], coding=b"gzip")

    assert b'"upstream_stream_cut"' in reply.body
    assert caller.error_code == "upstream_stream_cut"


@pytest.mark.parametrize("status", [301, 307, 400, 500])
@pytest.mark.parametrize("content_type", [b"application/json", b"text/event-stream"])
async def test_redirects_and_errors_cost_no_tokens(status: int, content_type: bytes) -> None:
    caller, _ = _exchange()
    answer = Answer([STREAMS["chat"][1][-2]], status=status, headers=[(b"content-type", content_type)])

    await pass_on(caller, answer, b'{"prompt":"12345678"}', target(), asked_stream=True, hide_usage=False)

    assert caller.tokens == TokenCounts()


async def test_what_is_large_is_counted_beside_the_loop_even_if_the_caller_leaves() -> None:
    caller, _ = _exchange()
    body = b'{"prompt":"' + b"a" * 400_000 + b'"}'
    waiting = asyncio.Event()
    answer = Answer([chat_events()[1], waiting], headers=[(b"content-type", b"text/event-stream")])
    passing = asyncio.create_task(
        pass_on(caller, answer, body, target(), asked_stream=True, hide_usage=False)
    )
    await answer.reached.wait()

    passing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await passing

    assert caller.tokens.prompt == 100_000


@pytest.mark.parametrize("said", [None, b"yes"])
@pytest.mark.parametrize(
    ("head", "steps", "is_streamed"),
    [
        ([(b"content-type", b"text/event-stream")], [b"data: [DONE]\n\n"], True),
        ([(b"content-type", b"text/event-stream"), (b"content-encoding", b"x")], [b"x"], True),
        ([(b"content-type", b"audio/mpeg")], [b"a", b"b"], True),
        ([(b"content-type", b"audio/mpeg"), (b"content-length", b"2")], [b"a", b"b"], False),
    ],
    ids=["events", "coded events", "sound", "known length"],
)
async def test_streams_are_not_buffered_in_front_unless_the_upstream_says_so(
    head: list[Header], steps: list[Step], is_streamed: bool, said: bytes | None
) -> None:
    caller, reply = _exchange()
    answer = Answer(steps, headers=head if said is None else [*head, (b"X-Accel-Buffering", said)])
    await pass_on(caller, answer, b"{}", target("u"), asked_stream=False, hide_usage=False)
    assert reply.headers.get(b"x-accel-buffering") == (said or (b"no" if is_streamed else None))
