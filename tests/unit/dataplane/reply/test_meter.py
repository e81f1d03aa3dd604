"""What an answer used, as far as it says, and what is estimated where it does not."""

import gzip
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.reply import meter
from tollkeeper_server.dataplane.reply.meter import MAX_KEPT, BodyMeter, StreamMeter, abandoned
from tollkeeper_server.domain.usage import Confidence, TokenCounts
from tollkeeper_server.providers.dialect import Dialect
from tollkeeper_server.providers.dialects import anthropic, openai
from tollkeeper_server.providers.usage import MAX_COUNT

from tests.unit.dataplane.recordings import (
    BODIES,
    DIALECTS,
    MESSAGES_EVENTS,
    RESPONSES_EVENTS,
    STREAMS,
    chat_events,
    event,
)

ASKED = json.dumps({"model": "m", "messages": [{"role": "user", "content": "a" * 40}]}).encode()


def _body(
    dialect: Dialect,
    *pieces: bytes,
    coding: bytes = b"identity",
    asked: bytes = ASKED,
    max_kept: int = MAX_KEPT,
) -> TokenCounts:
    meter = BodyMeter(dialect, coding, max_kept)
    for piece in pieces:
        meter.feed(piece)
    return meter.tokens(asked)


def _stream(dialect: Dialect, events: list[bytes]) -> StreamMeter:
    meter = StreamMeter(dialect)
    for one in events:
        meter.feed(one)
    return meter


@pytest.mark.parametrize("name", BODIES)
def test_a_document_says_what_it_used(name: str) -> None:
    recording = BODIES[name]

    assert _body(recording.dialect, recording.body) == recording.tokens


@pytest.mark.parametrize("name", BODIES)
def test_it_says_the_same_in_pieces(name: str) -> None:
    recording = BODIES[name]

    pieces = [recording.body[at : at + 1] for at in range(len(recording.body))]
    assert _body(recording.dialect, *pieces) == recording.tokens


@pytest.mark.parametrize(
    ("coding", "compress"),
    [(b"gzip", gzip.compress), (b"x-gzip", gzip.compress), (b"deflate", zlib.compress)],
)
def test_it_says_the_same_compressed(coding: bytes, compress: object) -> None:
    recording = BODIES["chat"]

    assert callable(compress)
    assert _body(openai.CHAT, compress(recording.body), coding=coding) == recording.tokens


@pytest.mark.parametrize("coding", [b"gzip", b"br", b"zstd", b"nonsense"])
def test_what_can_not_be_unpacked_is_estimated(coding: bytes) -> None:
    assert _body(openai.CHAT, b"\x1f\x8bnothing", coding=coding) == TokenCounts(
        prompt=10, confidence=Confidence.ESTIMATED
    )


_ZEROS = b'"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}'


def test_zeros_are_no_usage() -> None:
    body = b'{"choices":[{"message":{"content":"12345678"}}],' + _ZEROS + b"}"
    stream = [b'data: {"choices":[{"delta":{"content":"12345678"}}],' + _ZEROS + b"}\n\n", event("[DONE]")]
    estimated = TokenCounts(prompt=10, completion=2, confidence=Confidence.ESTIMATED)

    assert _body(openai.CHAT, body) == estimated
    assert _stream(openai.CHAT, stream).tokens(ASKED) == estimated


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_says_what_it_used(name: str) -> None:
    dialect, events, expected = STREAMS[name]

    meter = _stream(dialect, events)

    assert meter.tokens(ASKED) == expected
    assert meter.ended


@pytest.mark.parametrize("name", STREAMS)
def test_it_says_the_same_in_one_piece(name: str) -> None:
    dialect, events, expected = STREAMS[name]

    assert _stream(dialect, [b"".join(events)]).tokens(ASKED) == expected


@pytest.mark.parametrize(
    ("usage", "prompt", "completion"),
    [
        ('{"prompt_tokens":12.0,"completion_tokens":3.0}', 12, 3),
        ('{"prompt_tokens":1099511627776,"completion_tokens":3}', MAX_COUNT, 3),
        ('{"prompt_tokens":2,"completion_tokens":3,"prompt_tokens_details":null}', 2, 3),
        ('{"prompt_tokens":2,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":null}}', 2, 3),
    ],
)
def test_strange_numbers_stay_in_bounds(usage: str, prompt: int, completion: int) -> None:
    body = f'{{"choices":[],"usage":{usage}}}'.encode()
    expected = TokenCounts(prompt=prompt, completion=completion, confidence=Confidence.EXACT)

    assert _body(openai.CHAT, body) == expected
    assert _stream(openai.CHAT, [b"data: " + body + b"\n\n", event("[DONE]")]).tokens(ASKED) == expected


@pytest.mark.parametrize(
    "prompt", ["-5", "null", "NaN", '"12"', "1e400", "1e300", "1" + "0" * 40, "1099511627777"]
)
def test_what_is_not_said_of_two_counts_is_estimated_and_called_so(prompt: str) -> None:
    body = f'{{"choices":[],"usage":{{"prompt_tokens":{prompt},"completion_tokens":3}}}}'.encode()
    expected = TokenCounts(prompt=10, completion=3, confidence=Confidence.ESTIMATED)

    assert _body(openai.CHAT, body) == expected
    assert _stream(openai.CHAT, [b"data: " + body + b"\n\n", event("[DONE]")]).tokens(ASKED) == expected


@pytest.mark.parametrize("seconds", ["-1", "-1e308", "1e308", "0.0004", "null", "NaN"])
def test_strange_durations_stay_in_bounds(seconds: str) -> None:
    tokens = _body(openai.TRANSCRIPTION, f'{{"text":"","usage":{{"seconds":{seconds}}}}}'.encode())

    assert 0 <= tokens.audio_milliseconds <= MAX_COUNT


@pytest.mark.parametrize(
    ("duration", "milliseconds"),
    [("9.5", 9500), ("0", 0), ("-1", 0), ("1e308", 0), ("null", 0), ("NaN", 0), ("{}", 0), ('"}', 0)],
)
@pytest.mark.parametrize("segment", ["{}", '{"avg_logprob":NaN,"duration":7}'])
def test_a_transcription_without_usage_says_how_long_it_was(
    duration: str, milliseconds: int, segment: str
) -> None:
    tokens = _body(openai.TRANSCRIPTION, f'{{"duration":{duration},"segments":[{segment}]}}'.encode())

    assert tokens.audio_milliseconds == milliseconds


@pytest.mark.parametrize(
    "usage",
    [
        '"canary"',
        "[1]",
        "7",
        '{"prompt_tokens":"12"}',
        '{"prompt_tokens":{}}',
        '{"prompt_tokens":true}',
        "{}",
    ],
)
def test_usage_that_makes_no_sense_is_estimated(usage: str) -> None:
    body = f'{{"choices":[{{"message":{{"content":"12345678"}}}}],"usage":{usage}}}'.encode()
    expected = TokenCounts(prompt=10, completion=2, confidence=Confidence.ESTIMATED)

    assert _body(openai.CHAT, body) == expected
    assert _stream(openai.CHAT, [b"data: " + body + b"\n\n", event("[DONE]")]).tokens(ASKED) == expected


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\x00", b"[" * 100_000, b'{"usage":' * 100_000])
def test_what_is_no_document_is_estimated(body: bytes) -> None:
    assert _body(openai.CHAT, body) == TokenCounts(prompt=10, confidence=Confidence.ESTIMATED)


def test_members_of_other_kinds_do_not_hide_the_usage() -> None:
    body = b'{"message":"ok","response":"text","usage":{"prompt_tokens":1,"completion_tokens":2}}'

    assert _body(openai.CHAT, body) == TokenCounts(prompt=1, completion=2, confidence=Confidence.EXACT)


@pytest.mark.parametrize("dialect", [openai.SPEECH, openai.TRANSCRIPTION, openai.IMAGES])
def test_what_has_no_text_is_not_estimated(dialect: Dialect) -> None:
    assert _body(dialect, b"\xff\xfb\x90") == TokenCounts()
    assert abandoned(dialect, ASKED) == TokenCounts()


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b'{"text":"a lot"}', b"\xff\xfb", b'{"meta":{"billed_units":{"x":1}}}']
)
@pytest.mark.parametrize("dialect", [openai.OTHER, openai.OTHER_TEXT, anthropic.OTHER_TEXT])
def test_of_endpoints_that_are_not_known_nothing_is_estimated(dialect: Dialect, body: bytes) -> None:
    assert _body(dialect, body) == TokenCounts()
    assert _stream(dialect, [b"data: " + body + b"\n\n"]).tokens(ASKED) == TokenCounts()


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_a_response_that_is_made_in_the_background_has_used_nothing_yet(status: str) -> None:
    document = {"id": "resp_1", "background": True, "status": status, "output": [], "usage": None}

    assert _body(openai.RESPONSES, json.dumps(document).encode()) == TokenCounts()


def test_what_can_not_say_usage_is_not_kept() -> None:
    meter = BodyMeter(openai.OTHER, b"identity")
    meter.feed(b"\xff\xfb")
    meter.feed(b'{"usage":{"total_tokens":1}}')
    assert meter.kept == 0


def test_what_is_streamed_again_is_not_metered_again() -> None:
    assert _stream(openai.RESPONSES_AGAIN, RESPONSES_EVENTS).tokens(ASKED) == TokenCounts()
    assert not _stream(openai.RESPONSES_AGAIN, RESPONSES_EVENTS[:-1]).ended


def test_embeddings_without_usage_are_estimated_by_their_input() -> None:
    asked = b'{"model":"m","input":["12345678","1234"]}'

    assert _body(openai.EMBEDDINGS, b"{}", asked=asked) == TokenCounts(
        prompt=3, confidence=Confidence.ESTIMATED
    )


def test_an_answer_that_never_began_is_estimated_by_its_prompt() -> None:
    assert abandoned(openai.CHAT, ASKED) == TokenCounts(prompt=10, confidence=Confidence.ESTIMATED)


def test_a_document_too_large_to_keep_is_estimated() -> None:
    recording = BODIES["chat"]
    size, half = len(recording.body), len(recording.body) // 2
    assert _body(openai.CHAT, recording.body, max_kept=size) == recording.tokens

    pieces = recording.body[:half], recording.body[half:]
    assert _body(openai.CHAT, *pieces, max_kept=size - 1) == TokenCounts(
        prompt=10, confidence=Confidence.ESTIMATED
    )


def test_what_unpacks_without_end_is_bounded() -> None:
    bomb = gzip.compress(b'{"x":"' + b"a" * (1 << 20))

    assert _body(openai.CHAT, bomb, coding=b"gzip", max_kept=1 << 16).confidence is Confidence.ESTIMATED


@given(st.data())
def test_a_chat_stream_that_broke_off_is_estimated(data: st.DataObject) -> None:
    events = chat_events()
    kept = data.draw(st.integers(0, 5))

    meter = _stream(openai.CHAT, events[:kept])

    assert not meter.ended
    assert meter.tokens(ASKED).confidence is Confidence.ESTIMATED


@pytest.mark.parametrize("kept", range(1, len(MESSAGES_EVENTS) - 2))
def test_of_a_broken_messages_stream_the_input_is_known(kept: int) -> None:
    meter = _stream(anthropic.MESSAGES, MESSAGES_EVENTS[:kept])

    tokens = meter.tokens(ASKED)

    assert (tokens.prompt, tokens.cached) == (325, 200)
    assert tokens.completion == (1 if kept < 4 else 2 if kept == 4 else 9)
    assert tokens.confidence is Confidence.ESTIMATED


def test_of_a_broken_responses_stream_each_text_counts_once() -> None:
    assert _stream(openai.RESPONSES, RESPONSES_EVENTS[:3]).tokens(ASKED) == TokenCounts(
        prompt=10, completion=2, confidence=Confidence.ESTIMATED
    )


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        (openai.CHAT, "data: [DONE]"),
        (openai.CHAT, '{"finish_reason":"stop"}'),
        (openai.CHAT, 'x\ndata: {"error"'),
        (openai.RESPONSES, '"type":"response.completed"'),
        (anthropic.MESSAGES, '"type":"message_stop"'),
    ],
)
def test_a_model_that_writes_of_ends_does_not_end_its_stream(dialect: Dialect, text: str) -> None:
    chunk = {"choices": [{"delta": {"content": text}}], "type": "content_block_delta", "delta": text}

    assert not _stream(dialect, [event(chunk)]).ended


@pytest.mark.parametrize(
    ("dialect", "last"),
    [
        (openai.CHAT, b"data: [DONE]\n\n"),
        (openai.CHAT, b"data:[DONE]\r\n\r\n"),
        (openai.CHAT, b'data: {"error":{"message":"overloaded"}}\n\n'),
        (openai.COMPLETIONS, b"data: [DONE]\n\n"),
        (openai.RESPONSES, event({"type": "response.incomplete", "response": {}})),
        (openai.RESPONSES, event({"type": "response.failed", "response": {}})),
        (openai.RESPONSES, event({"type": "error", "message": "x"})),
        (anthropic.MESSAGES, event({"type": "message_stop"})),
        (anthropic.MESSAGES, event({"type": "error", "error": {}}, "error")),
    ],
)
def test_the_last_event_closes_a_stream(dialect: Dialect, last: bytes) -> None:
    meter = _stream(dialect, [last])

    assert (meter.ended, meter.closed) == (True, True)


def test_a_finish_reason_ends_a_stream_but_does_not_close_it() -> None:
    meter = _stream(openai.CHAT, chat_events()[:6])

    assert (meter.ended, meter.closed) == (True, False)


@pytest.mark.parametrize("reason", ["", "null"])
def test_a_reason_that_says_nothing_ends_nothing(reason: str) -> None:
    chunk = {"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": reason}]}

    assert not _stream(openai.CHAT, [event(chunk)] * 3).ended


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("plain", [False, True])
def test_a_finish_reason_is_remembered_whatever_follows(plain: bool, together: bool) -> None:
    delta = {"delta": {"content": "x"}} if plain else {"content_filter_offsets": {"check_offset": 1}}
    note = event({"choices": [{"index": 0, **delta, "finish_reason": None, "filler": "x" * 300}]})
    text = event({"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": None}]})
    end = event({"choices": [{"index": 0, "finish_reason": "content_filter"}]})

    def ended(events: list[bytes]) -> bool:
        return _stream(openai.CHAT, [b"".join(events)] if together else events).ended

    assert ended([text, end, *[note] * 40])
    assert ended([*[text] * 40, end, *[text] * 40])
    assert not ended([text, *[note] * 40])


@given(
    st.lists(st.binary(max_size=60) | st.sampled_from(chat_events()), max_size=6),
    st.sampled_from(DIALECTS),
)
def test_any_stream_can_be_metered(pieces: list[bytes], dialect: Dialect) -> None:
    tokens = _stream(dialect, pieces).tokens(ASKED)

    assert tokens.prompt >= 0
    assert tokens.completion >= 0


@given(
    st.lists(st.sampled_from(chat_events()), max_size=60),
    st.sampled_from(DIALECTS),
    st.sets(st.integers(0, 59)),
)
def test_to_ask_a_stream_in_between_changes_nothing(
    events: list[bytes], dialect: Dialect, asked: set[int]
) -> None:
    stream = StreamMeter(dialect)
    for number, one in enumerate(events):
        stream.feed(one)
        if number in asked:
            assert stream.text >= 0
    unasked = _stream(dialect, events)

    assert stream.tokens(ASKED) == unasked.tokens(ASKED)
    assert (stream.text, stream.ended, stream.closed) == (unasked.text, unasked.ended, unasked.closed)


@pytest.mark.parametrize("size", [1, meter.LAST_BYTES * 3])
def test_an_end_is_seen_whatever_its_size_and_what_little_follows_it(size: int) -> None:
    stream = StreamMeter(openai.RESPONSES)
    for number in range(100):
        stream.feed(b'data: {"type":"response.output_text.delta","delta":"%d"}\n\n' % number)
    assert not stream.ended

    stream.feed(b'data: {"type":"response.completed","response":{"id":"%b"}}\n\n' % (b"x" * size))
    stream.feed(b"data: [DONE]\n\n")
    stream.feed(b"")

    assert stream.closed
    assert stream.ended
