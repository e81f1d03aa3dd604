"""Audio."""

import base64
import io
import json
import wave

import httpx2
import pytest
from openai import AsyncOpenAI, BadRequestError
from openai.types.audio import Transcription
from openai.types.audio.transcription import UsageDuration, UsageTokens
from tollkeeper_server.simulator.audio import BYTES_PER_SECOND, TOKENS_PER_SECOND

RECORDING = ("speech.wav", bytes(2 * BYTES_PER_SECOND + 1))


async def test_whisper_is_billed_by_duration(openai: AsyncOpenAI) -> None:
    answer = await openai.audio.transcriptions.create(model="whisper-1", file=RECORDING)
    assert isinstance(answer, Transcription)
    assert isinstance(answer.usage, UsageDuration)
    assert answer.usage.seconds == 3


async def test_newer_models_are_billed_by_tokens(openai: AsyncOpenAI) -> None:
    answer = await openai.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=RECORDING, prompt="toll words", response_format="json"
    )
    assert isinstance(answer.usage, UsageTokens)
    assert answer.usage.input_tokens == 3 * TOKENS_PER_SECOND + 2
    assert answer.usage.output_tokens == len(answer.text.split())


async def test_a_stream_ends_with_the_usage(openai: AsyncOpenAI) -> None:
    stream = await openai.audio.transcriptions.create(
        model="gpt-4o-mini-transcribe", file=RECORDING, stream=True
    )
    events = [event async for event in stream]
    last = events[-1]
    assert last.type == "transcript.text.done"
    assert last.text == "".join(e.delta for e in events if e.type == "transcript.text.delta")
    assert last.usage is not None
    assert last.usage.total_tokens == 3 * TOKENS_PER_SECOND + 24


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        ("text", "text/plain"),
        ("srt", "text/plain"),
        ("vtt", "text/plain"),
        ("verbose_json", "application/json"),
    ],
)
async def test_other_forms(http: httpx2.AsyncClient, form: str, kind: str) -> None:
    reply = await http.post(
        "/v1/audio/transcriptions",
        data={"model": "whisper-1", "response_format": form},
        files={"file": RECORDING},
    )
    assert reply.headers["content-type"].startswith(kind)
    assert "This answer comes" in reply.text


async def test_a_translation_has_no_usage(http: httpx2.AsyncClient) -> None:
    reply = await http.post("/v1/audio/translations", data={"model": "whisper-1"}, files={"file": RECORDING})
    assert set(reply.json()) == {"text"}


async def test_speech_is_a_sound_file(openai: AsyncOpenAI) -> None:
    spoken = await openai.audio.speech.create(
        model="tts-1", voice="alloy", input="hello", response_format="wav"
    )
    with wave.open(io.BytesIO(spoken.content)) as sound:
        assert (sound.getnchannels(), sound.getframerate(), sound.getnframes()) == (1, 16_000, 16_384)


async def test_speech_as_events_ends_with_the_usage(http: httpx2.AsyncClient) -> None:
    body = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "say this", "stream_format": "sse"}
    reply = await http.post("/v1/audio/speech", json=body)
    events = [json.loads(line[6:]) for line in reply.text.splitlines() if line]
    assert {event["type"] for event in events[:-1]} == {"speech.audio.delta"}
    assert base64.b64decode(events[0]["audio"]).startswith(b"ID3")
    assert events[-1]["type"] == "speech.audio.done"
    assert events[-1]["usage"]["input_tokens"] == 2


async def test_an_unknown_form_is_refused(openai: AsyncOpenAI) -> None:
    with pytest.raises(BadRequestError):
        await openai.post(
            "/audio/speech",
            body={"model": "m", "voice": "alloy", "input": "x", "response_format": "tape"},
            cast_to=object,
        )
