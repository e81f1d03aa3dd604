"""Relaying streams: every byte in order, whatever the chunks, and an end that tells the truth."""

import asyncio
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.reply.events import take_whole
from tollkeeper_server.dataplane.reply.meter import StreamMeter
from tollkeeper_server.dataplane.reply.stream import relay_stream
from tollkeeper_server.dataplane.request.room import BodyRoom
from tollkeeper_server.dataplane.transport import CutError, TimeoutExpiredError
from tollkeeper_server.domain.usage import Confidence, TokenCounts
from tollkeeper_server.providers.dialect import Dialect
from tollkeeper_server.providers.dialects import anthropic, openai

from tests.unit.dataplane.caller import Reply, Taker
from tests.unit.dataplane.exchanges import exchange
from tests.unit.dataplane.recordings import CHAT_USAGE_CHUNK, STREAMS, chat_events, event, unasked
from tests.unit.dataplane.upstream import Answer, Step
from tests.unit.one_loop import in_one_loop

PATHS = {
    openai.CHAT: "/v1/chat/completions",
    openai.COMPLETIONS: "/v1/completions",
    openai.RESPONSES: "/v1/responses",
    anthropic.MESSAGES: "/v1/messages",
    openai.IMAGES: "/v1/images/generations",
    openai.TRANSCRIPTION: "/v1/audio/transcriptions",
    openai.SPEECH: "/v1/audio/speech",
    openai.UNMETERED: "/v1/files",
    openai.RESPONSES_AGAIN: "/v1/responses",
}


def _exchange(dialect: Dialect) -> tuple[Exchange, Reply]:
    caller = exchange(PATHS[dialect])
    sent: list[dict[str, object]] = []

    async def send(message: object) -> None:
        assert isinstance(message, dict)
        sent.append(message)

    caller.send = send
    return caller, Reply(sent)


async def _relayed(
    dialect: Dialect, steps: Sequence[Step], *, hide: bool = False, pushed: bool = False
) -> tuple[Reply, StreamMeter, Exchange]:
    caller, reply = _exchange(dialect)
    if pushed:
        caller.caller = Taker(reply.messages)
    meter = StreamMeter(dialect)
    await relay_stream(caller, Answer(steps), [], meter, hide_usage=hide)
    return reply, meter, caller


def _stream(
    dialect: Dialect, steps: Sequence[Step], *, hide: bool = False
) -> tuple[Reply, TokenCounts, Exchange]:
    reply, meter, caller = in_one_loop(_relayed(dialect, steps, hide=hide))
    # As the data listener has it: chunks are pushed through.
    pushed, its_meter, _ = in_one_loop(_relayed(dialect, steps, hide=hide, pushed=True))
    assert pushed.chunks == reply.chunks
    assert pushed.ended == reply.ended
    assert its_meter.tokens(b"{}") == meter.tokens(b"{}")
    assert reply.ended
    assert caller.response_bytes == len(reply.body)
    return reply, meter.tokens(b"{}"), caller


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_split_anywhere_is_the_same_stream(name: str) -> None:
    dialect, events, tokens = STREAMS[name]
    whole = b"".join(events)
    for at in range(1, len(whole)):
        reply, used, _ = _stream(dialect, [whole[:at], whole[at:]])
        assert (reply.body, used) == (whole, tokens)


@pytest.mark.parametrize("name", STREAMS)
def test_a_cut_in_the_last_event_is_told_though_it_names_the_end(name: str) -> None:
    dialect, events, _ = STREAMS[name]
    before, last = b"".join(events[:-1]), events[-1]
    if dialect.end is None:
        return
    for at in range(1, len(last)):
        whole = last[:at].strip() == last.strip()
        reply, _, caller = _stream(dialect, [before + last[:at]])
        assert caller.error_code == ("" if whole else "upstream_stream_cut"), last[:at]
        assert reply.body.startswith(before)
        assert (reply.body == before + last[:at]) is whole


def test_usage_beside_an_empty_choice_is_hidden_as_a_whole_after_the_end_alone() -> None:
    choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
    said = event({"id": "c", "choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 7}})
    silent = event({"id": "c", "choices": [choice]})
    end = event({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    done = event("[DONE]")
    for steps in ([said + end + said + done], [said, end, said, done], [said + end, said + done]):
        reply, used, _ = _stream(openai.CHAT, steps, hide=True)
        assert json.loads(reply.body.split(b"\n\n")[0][5:]) == json.loads(silent[5:])
        assert reply.body.endswith(b"\n\n" + end + done)
        assert (used.prompt, used.completion) == (5, 7)


@pytest.mark.parametrize("line", ["\n", "\r\n", "\r"])
def test_the_usage_chunk_is_hidden_wherever_it_is_split(line: str) -> None:
    events = chat_events(line)
    whole, expected = b"".join(events), b"".join(unasked(events))
    assert b'"usage"' not in expected.replace(b'\\"usage\\"', b"")
    for at in range(1, len(whole)):
        reply, used, _ = _stream(openai.CHAT, [whole[:at], whole[at:]], hide=True)
        assert (reply.body, used) == (expected, STREAMS["chat"][2])


@given(
    st.lists(st.sampled_from([*chat_events()[:5], *chat_events("\r\n")[:7]]), max_size=8),
    st.lists(st.integers(1, 400), max_size=20),
    st.booleans(),
)
def test_a_stream_in_any_pieces_loses_nothing_but_what_is_hidden(
    events: list[bytes], sizes: list[int], hide: bool
) -> None:
    events = [*events, event("[DONE]")]
    whole = b"".join(events)
    pieces: list[Step] = []
    at = 0
    for size in sizes:
        pieces.append(whole[at : at + size])
        at += size
    pieces.append(whole[at:])

    reply, _, caller = _stream(openai.CHAT, pieces, hide=hide)

    assert reply.body == b"".join(unasked(events) if hide else events)
    assert caller.error_code == ""
    for chunk in reply.chunks:
        assert chunk.endswith((b"\n\n", b"\r\n\r\n"))


def test_events_are_sent_as_they_come() -> None:
    events = chat_events()

    reply, _, _ = _stream(openai.CHAT, events)

    assert reply.chunks == events


@pytest.mark.parametrize("line", ["\n", "\r\n", "\r"])
async def test_an_event_is_sent_as_soon_as_it_is_whole(line: str) -> None:
    first, second, *_ = chat_events(line)
    for at in range(1, len(first)):
        go = asyncio.Event()
        caller, reply = _exchange(openai.CHAT)
        answer = Answer([first[:at], first[at:] + second[:9], go, second[9:], event("[DONE]")])
        relaying = asyncio.create_task(
            relay_stream(caller, answer, [], StreamMeter(openai.CHAT), hide_usage=False)
        )
        await answer.reached.wait()
        assert reply.body == first
        go.set()
        await relaying


@pytest.mark.parametrize(
    "kept",
    [
        {"choices": [], "prompt_filter_results": []},
        {"choices": [{"delta": {"content": '"usage": {}'}}], "response": {"usage": {"prompt_tokens": 1}}},
        {"choices": [{"delta": {}, "usage": {"prompt_tokens": 1}}]},
        {"choices": [{"delta": {}}], "x_groq": {"usage": {"prompt_tokens": 1}}},
    ],
)
def test_what_was_not_asked_for_is_not_hidden(kept: object) -> None:
    stream = [event(kept), event("[DONE]")]

    reply, _, _ = _stream(openai.CHAT, stream, hide=True)

    assert reply.body == b"".join(stream)


@pytest.mark.parametrize(
    "hidden",
    [
        {"choices": [], "usage": {"prompt_tokens": "garbage"}},
        {"choices": None, "usage": {"prompt_tokens": 1}},
        {"id": "c", "usage": {"prompt_tokens": 1}},
        {"choices": [{"index": 0}], "usage": {"prompt_tokens": 1}},
        {"choices": [{"index": 0, "delta": {}}], "usage": {"prompt_tokens": 1}},
        {
            "choices": [{"index": 0, "delta": {"content": None, "role": None}, "finish_reason": None}],
            "usage": {"prompt_tokens": 1},
        },
    ],
)
def test_a_chunk_that_says_nothing_but_usage_is_hidden(hidden: object) -> None:
    reply, _, _ = _stream(openai.CHAT, [event(hidden), event("[DONE]")], hide=True)

    assert reply.body == event("[DONE]")


@pytest.mark.parametrize(
    ("chunk", "left"),
    [
        (
            '{"choices":[{"delta":{"content":""}}], "usage": {"prompt_tokens":1} , "z":1}',
            '{"choices":[{"delta":{"content":""}}] , "z":1}',
        ),
        ('{ "usage":{"a":{}}, "choices":[{"logprob":NaN}]}', '{ "choices":[{"logprob":NaN}]}'),
        ('{"choices":[{"x":1}],"id":"\\u00e9é","usage":{"a":1}}', '{"choices":[{"x":1}],"id":"\\u00e9é"}'),
        ('{"choices":[{"x":1}],\ndata: "usage":{"prompt_tokens":1}}', '{"choices":[{"x":1}]}'),
        ('{"choices":[{"finish_reason":"stop"}],"usage":{"a":1}}', '{"choices":[{"finish_reason":"stop"}]}'),
        ('{"choices":[],"usage":null}', '{"choices":[]}'),
        ('{"usage": null, "choices":[{}]}', '{"choices":[{}]}'),
        (
            '{"choices":[{"usage":null}],"a":{"usage":null}}',
            '{"choices":[{"usage":null}],"a":{"usage":null}}',
        ),
        ('{"choices":[{}],"usage":null,"obfuscation":"aZ0"}', '{"choices":[{}],"obfuscation":"aZ0"}'),
        (
            '{"choices":[{}], "usage" : null , "obfuscation" : "a" }',
            '{"choices":[{}] , "obfuscation" : "a" }',
        ),
    ],
)
@pytest.mark.parametrize("line", ["\n", "\r\n"])
def test_usage_beside_something_else_is_taken_out_alone(line: str, chunk: str, left: str) -> None:
    named = event(chunk.replace("\ndata", f"{line}data"), "x", line)
    after = event('{"choices":[{"finish_reason":"stop"}]}', line=line) + event("[DONE]", line=line)

    reply, _, _ = _stream(openai.CHAT, [named + after], hide=True)

    assert reply.body == event(left, "x", line) + after


def test_a_document_in_place_of_a_stream_passes_as_it_is() -> None:
    body = b' {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n'

    reply, used, caller = _stream(openai.CHAT, [body[:9], body[9:]])

    assert (reply.body, caller.error_code) == (body, "")
    assert used == TokenCounts(prompt=1, completion=2, confidence=Confidence.EXACT)


def test_an_event_that_is_not_utf8_is_whole() -> None:
    finished = chat_events()[:6]
    last = b'data: {"choices":[{"delta":{"content":"\xff\xfe"}}]}'

    reply, _, caller = _stream(openai.CHAT, [*finished, last])

    assert (reply.body, caller.error_code) == (b"".join(finished) + last, "")


def test_a_usage_chunk_at_the_very_end_is_hidden_without_its_blank_line() -> None:
    *before, _, _ = chat_events()

    reply, used, caller = _stream(openai.CHAT, [*before, event(CHAT_USAGE_CHUNK).rstrip()], hide=True)

    assert reply.body == b"".join(unasked(before))
    assert used == STREAMS["chat"][2]
    assert caller.error_code == ""


def _error(body: bytes) -> dict[str, object]:
    assert b"\ndata: [DONE]" not in body
    data: dict[str, object] = json.loads((b"\n" + body).rpartition(b"\ndata: ")[2])
    return data


CUTS: list[Step] = [CutError("the upstream closed the connection"), TimeoutExpiredError("too slow")]


@pytest.mark.parametrize("failure", CUTS)
@pytest.mark.parametrize("name", ["chat", "chat with CRLF", "completions", "responses", "messages", "images"])
def test_a_stream_that_breaks_off_ends_in_an_error_event(name: str, failure: Step) -> None:
    dialect, events, _ = STREAMS[name]
    whole = b"".join(events[:-1])
    ends = [sum(map(len, events[:count])) for count in range(len(events))]
    for at in range(len(whole) + 1):
        reply, _, caller = _stream(dialect, [whole[:at], failure])
        last_whole = whole[: max(end for end in ends if end <= at)]
        assert reply.body.startswith(last_whole)
        error_event = reply.body[len(last_whole) :]
        assert error_event.startswith((b"data: {", b"event: error\ndata: {"))
        assert error_event.count(b"\n\n") == 1
        assert str(failure) in json.dumps(_error(reply.body))
        assert caller.error_code == "upstream_stream_cut"


@pytest.mark.parametrize(
    "name", ["chat", "completions", "responses", "messages", "images", "transcription", "speech"]
)
def test_a_stream_that_ends_early_but_cleanly_is_no_whole_one(name: str) -> None:
    dialect, events, _ = STREAMS[name]
    reply, used, caller = _stream(dialect, [events[0]])

    assert "without saying that it was complete" in json.dumps(_error(reply.body))
    assert used.confidence is (Confidence.ESTIMATED if dialect.has_prompt else Confidence.NONE)
    assert caller.error_code == "upstream_stream_cut"


@pytest.mark.parametrize("name", ["chat", "completions", "responses", "messages"])
def test_a_stream_without_a_single_event_is_no_whole_one(name: str) -> None:
    reply, _, _ = _stream(STREAMS[name][0], [])

    assert _error(reply.body)


@pytest.mark.parametrize("part", [b"data: [DO", b'data: {"choices', b"data", b'data: {"choices":[]}x'])
def test_a_part_of_an_event_never_passes(part: bytes) -> None:
    finished = chat_events()[:6]

    reply, _, _ = _stream(openai.CHAT, [*finished, part])

    assert "in the middle of an event" in json.dumps(_error(reply.body))
    assert reply.body.startswith(b"".join(finished) + b'data: {"error"')


@pytest.mark.parametrize(
    "last", [b"data: [DONE]", b"data: [DONE]\n", b"data: [DONE]\r\n", b": bye", b"\n", b""]
)
def test_the_last_event_may_lack_its_blank_line(last: bytes) -> None:
    finished = chat_events()[:6]

    reply, _, caller = _stream(openai.CHAT, [*finished, last])

    assert reply.body == b"".join(finished) + last
    assert caller.error_code == ""


@pytest.mark.parametrize("failure", CUTS)
@pytest.mark.parametrize("name", ["chat", "chat with CRLF", "completions", "responses", "messages"])
def test_what_breaks_off_after_its_last_event_is_whole(name: str, failure: Step) -> None:
    dialect, events, tokens = STREAMS[name]

    reply, used, caller = _stream(dialect, [*events, failure])

    assert (reply.body, used, caller.error_code) == (b"".join(events), tokens, "")


def test_the_error_event_has_the_shape_its_readers_know() -> None:
    cut = CutError("gone")
    chat = _error(_stream(openai.CHAT, [cut])[0].body)
    responses = _error(_stream(openai.RESPONSES, [cut])[0].body)
    messages = _stream(anthropic.MESSAGES, [cut])[0].body

    assert isinstance(chat["error"], dict)
    assert {"message", "type", "param", "code"} == set(chat["error"])
    assert (responses["type"], responses["code"]) == ("error", "upstream_stream_cut")
    assert messages.startswith(b"event: error\ndata: ")
    assert isinstance(_error(messages)["error"], dict)


def test_an_event_too_large_to_hold_passes_in_parts() -> None:
    whole = event({"choices": [{"delta": {"content": "a" * 1000}}]}) + event("[DONE]")
    held = bytearray()

    parts = [take_whole(held, whole[at : at + 64], most=100) for at in range(0, len(whole), 64)]

    assert b"".join(parts) == whole
    assert len([part for part in parts if part]) > 5
    assert not held


def test_streams_of_other_endpoints_pass_as_they_are() -> None:
    pieces = [b"event: thread.run.created\ndata: {}\n", b"\nevent: done\ndata: [DO", b"NE]\n\nrest"]

    reply, used, caller = _stream(openai.UNMETERED, pieces)

    assert (reply.body, used, caller.error_code) == (b"".join(pieces), TokenCounts(), "")


async def test_the_first_byte_is_the_head() -> None:
    caller, reply = _exchange(openai.CHAT)
    waiting = asyncio.Event()
    answer = Answer([waiting])
    relaying = asyncio.create_task(
        relay_stream(caller, answer, [], StreamMeter(openai.CHAT), hide_usage=False)
    )

    await answer.reached.wait()

    assert reply.status == 200
    assert caller.first_byte >= caller.began
    waiting.set()
    await relaying


@pytest.mark.parametrize(("room", "is_whole"), [(200_000, True), (40_000, False)])
async def test_an_event_that_is_held_counts_and_is_relayed_in_parts_without_room(
    room: int, is_whole: bool
) -> None:
    long = b"data: " + b"x" * 50_000
    caller, reply = _exchange(openai.CHAT)
    caller.room = BodyRoom(room, 1)  # half of which is a token's
    steps = [long[at : at + 10_000] for at in range(0, len(long), 10_000)]
    answer = Answer([*steps, b"\n\n", *chat_events()])
    await relay_stream(caller, answer, [], StreamMeter(openai.CHAT), hide_usage=False)
    assert reply.body.startswith(long + b"\n\n")
    assert (len(reply.chunks[0]) >= len(long)) is is_whole
    assert 16 * 1024 < caller.held_bytes <= room // 2
