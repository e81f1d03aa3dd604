"""Audio: transcriptions, translations and speech. Every recording is transcribed as the simulator's reply."""

import base64
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from tollkeeper_server.simulator import wording
from tollkeeper_server.simulator.call import ApiCall, missing_parameter
from tollkeeper_server.simulator.reply import (
    Answer,
    EventStream,
    Json,
    RefusalError,
    Reply,
    as_json,
    data_event,
)
from tollkeeper_server.simulator.request import Form
from tollkeeper_server.simulator.wording import Wording

BYTES_PER_SECOND = 32_000
"""Bytes of a recording's second (16-bit mono at 16 kHz); a second that is begun counts as a whole one."""

TOKENS_PER_SECOND = 10
_SPEECH_PIECE = 4096
_SPEECH_PIECES = 8
_SPEECH_TYPES = {
    "mp3": b"audio/mpeg",
    "opus": b"audio/opus",
    "aac": b"audio/aac",
    "flac": b"audio/flac",
    "wav": b"audio/wav",
    "pcm": b"audio/pcm",
}


@dataclass(frozen=True, slots=True)
class _Recording:
    form: Form
    model: str
    seconds: int
    words: Wording


def transcribe(call: ApiCall) -> Reply:
    """Answer POST /audio/transcriptions."""
    recording = _listen(call)
    duration_billed = recording.model.startswith("whisper")
    if recording.form.field("stream") == "true" and not duration_billed:
        last: Json = {"type": "transcript.text.done", "text": recording.words.text}
        if not call.faults.no_usage:
            last["usage"] = _token_usage(recording)
        deltas = ({"type": "transcript.text.delta", "delta": piece} for piece in recording.words.pieces)
        return EventStream((data_event(delta) for delta in deltas), data_event(last))
    usage = {"type": "duration", "seconds": recording.seconds} if duration_billed else _token_usage(recording)
    return _written(recording, None if call.faults.no_usage else usage, "transcribe")


def translate(call: ApiCall) -> Reply:
    """Answer POST /audio/translations."""
    return _written(_listen(call), None, "translate")


def _listen(call: ApiCall) -> _Recording:
    form = call.form()
    uploads = form.uploads("file")
    if not uploads:
        raise missing_parameter("file")
    seconds = max(1, -(-len(uploads[0].content) // BYTES_PER_SECOND))
    return _Recording(form, call.model(form.field("model")), seconds, call.compose())


def _token_usage(recording: _Recording) -> Json:
    audio, text = recording.seconds * TOKENS_PER_SECOND, wording.count(recording.form.field("prompt"))
    return {
        "type": "tokens",
        "input_tokens": audio + text,
        "input_token_details": {"audio_tokens": audio, "text_tokens": text},
        "output_tokens": recording.words.tokens,
        "total_tokens": audio + text + recording.words.tokens,
    }


def _written(recording: _Recording, usage: Json | None, task: str) -> Reply:
    text = recording.words.text
    billed = {} if usage is None else {"usage": usage}
    form = recording.form.field("response_format") or "json"
    end = f"00:00:{recording.seconds % 60:02}"
    match form:
        case "json":
            return as_json({"text": text, **billed})
        case "text":
            return _plain(f"{text}\n")
        case "srt":
            return _plain(f"1\n00:00:00,000 --> {end},000\n{text}\n\n")
        case "vtt":
            return _plain(f"WEBVTT\n\n00:00:00.000 --> {end}.000\n{text}\n\n")
        case "verbose_json":
            duration = float(recording.seconds)
            segment: Json = {
                "id": 0,
                "seek": 0,
                "start": 0.0,
                "end": duration,
                "text": text,
                "tokens": [],
                "temperature": 0.0,
                "avg_logprob": -0.1,
                "compression_ratio": 1.0,
                "no_speech_prob": 0.0,
            }
            body: Json = {
                "task": task,
                "language": "english",
                "duration": float(recording.seconds),
                "text": text,
            }
            return as_json(body | {"segments": [segment], **billed})
        case _:
            raise RefusalError(
                400, f"Invalid value: '{form}'.", code="invalid_value", param="response_format"
            )


def _plain(text: str) -> Answer:
    return Answer(text.encode(), content_type=b"text/plain; charset=utf-8")


class SpeechRequest(Struct, frozen=True):
    """The fields of a request's body that the answer depends on."""

    input: str
    voice: str | Json
    model: str = ""
    response_format: str = "mp3"
    stream_format: str = "audio"


_decoder = msgspec.json.Decoder(SpeechRequest)


def speak(call: ApiCall) -> Reply:
    """Answer POST /audio/speech."""
    body = call.decode(_decoder)
    call.model(body.model)
    kind = _SPEECH_TYPES.get(body.response_format)
    if kind is None:
        raise RefusalError(
            400, f"Invalid value: '{body.response_format}'.", code="invalid_value", param="response_format"
        )
    pieces = speech(body.response_format)
    if body.stream_format != "sse":
        return EventStream(pieces, content_type=kind)
    prompt, made = wording.count(body.input), _SPEECH_PIECES * TOKENS_PER_SECOND
    last: Json = {"type": "speech.audio.done"}
    if not call.faults.no_usage:
        last["usage"] = {"input_tokens": prompt, "output_tokens": made, "total_tokens": prompt + made}
    encoded = (base64.b64encode(piece).decode() for piece in pieces)
    events = (data_event({"type": "speech.audio.delta", "audio": audio}) for audio in encoded)
    return EventStream(events, data_event(last))


def speech(form: str) -> Iterator[bytes]:
    """Yield silence in pieces: a valid file for `wav` and `pcm`, a valid beginning for other formats."""
    silence = bytes(_SPEECH_PIECE)
    if form == "wav":
        size = _SPEECH_PIECE * _SPEECH_PIECES
        layout = struct.pack("<IHHIIHH", 16, 1, 1, 16_000, BYTES_PER_SECOND, 2, 16)
        head = (
            b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + layout + b"data" + struct.pack("<I", size)
        )
    else:
        head = {"mp3": b"ID3\x04\x00\x00\x00\x00\x00\x00", "opus": b"OggS", "flac": b"fLaC"}.get(form, b"")
    yield head + silence
    for _ in range(_SPEECH_PIECES - 1):
        yield silence
