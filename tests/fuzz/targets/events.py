"""Event streams of upstreams: nothing is lost or counted twice, in whatever pieces they come."""

import json
import re
from collections.abc import Sequence
from random import Random
from typing import ClassVar

from tollkeeper_server.dataplane.reply.events import take_whole, without_usage
from tollkeeper_server.dataplane.reply.meter import BodyMeter, StreamMeter
from tollkeeper_server.domain.usage import Confidence
from tollkeeper_server.providers.dialects.openai import CHAT, RESPONSES

from tests.fuzz.mutate import cuts
from tests.fuzz.target import Target

_REQUEST = b'{"model":"a","messages":[{"role":"user","content":"one two"}]}'


class Events(Target):
    """`dataplane/reply/events.py` and `meter.py`, and the usage that they read."""

    name: ClassVar[str] = "events"
    words: ClassVar[Sequence[bytes]] = (
        b"data: ", b"\n\n", b"\r\n\r\n", b"\r\r", b"data: [DONE]\n\n",
        b'"usage":{"prompt_tokens":3,"completion_tokens":4}', b'"usage":null', b'"choices":[]',
        b'"choices":[{"index":0,"delta":{"content":"x"}}]', b'"finish_reason":"stop"',
        b"event: response.completed\n", b'"type":"response.completed"', b": comment\n", b"\xef\xbb\xbf",
        b"id: 1\n", b'"role":"assistant"', b"9" * 25, b"NaN", b"{", b"}", b"1e400",
    )  # fmt: skip

    def check(self, data: bytes, random: Random) -> str:
        """Relay, meter and clear it, whole and in pieces."""
        dialect = RESPONSES if b"response." in data else CHAT
        held = bytearray()
        events = [take_whole(held, piece) for piece in cuts(random, data)]
        assert b"".join(events) + held == data
        assert not any(end in held for end in (b"\n\n", b"\n\r\n", b"\r\r")), "a whole event is held back"
        one, another = StreamMeter(dialect), StreamMeter(dialect)
        one.feed(b"".join(events))
        for piece in events:
            if piece:
                another.feed(piece)
        counted = one.tokens(_REQUEST)
        other = another.tokens(_REQUEST)
        # The text of events that are no JSON may be cut in odd places: what is estimated of it may differ.
        if Confidence.ESTIMATED not in {counted.confidence, other.confidence}:
            assert counted == other, f"{counted} whole, {other} in pieces"
        shown = without_usage(b"".join(events), one.ended_by)
        assert len(shown) <= len(data) + 64
        for event in re.split(rb"\r?\n\r?\n|\r\r", shown):
            assert not _has_usage(event), f"{event!r} tells the usage"
        document = BodyMeter(dialect, b"identity")
        document.feed(data)
        whole = document.tokens(_REQUEST)
        for tokens in (counted, whole):
            assert min(tokens.prompt, tokens.completion, tokens.cached, tokens.reasoning) >= 0
        return f"{counted.confidence} {whole.confidence} {one.ended} {len(shown) == len(data)}"


def _has_usage(event: bytes) -> bool:
    lines = [line[5:].strip() for line in event.splitlines() if line.startswith(b"data:")]
    try:
        content = json.loads(b"\n".join(lines).decode())
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and isinstance(content.get("usage"), dict)
