"""Lines are counted as they pass, however they come, and none of them changes."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.reply import batch_usage
from tollkeeper_server.dataplane.reply.batch_usage import LineUsage, counted_lines
from tollkeeper_server.domain.usage import Confidence

from tests.unit.dataplane.budget.limited import PRICE
from tests.unit.dataplane.upstream import Answer

AT = datetime(2026, 11, 28, 12, tzinfo=UTC)


def _line(prompt: int, completion: int, text: str) -> bytes:
    usage = {"input_tokens": prompt, "output_tokens": completion}
    message = {"model": "m", "content": text, "usage": usage}
    return json.dumps({"result": {"type": "succeeded", "message": message}}).encode()


def _pass(pieces: Sequence[bytes]) -> tuple[list[bytes], list[LineUsage], list[int]]:
    """Return what was passed on, what was counted, and how many bytes had passed by then."""
    passed: list[bytes] = []
    counted: list[LineUsage] = []
    before: list[int] = []

    def count(usage: LineUsage) -> None:
        counted.append(usage)
        before.append(len(b"".join(passed)))

    async def read() -> None:
        lines = counted_lines(Answer(pieces), LineUsage(lambda _: PRICE, AT), count)
        async for piece in lines.chunks():
            passed.append(piece)  # noqa: PERF401 - what has passed is looked at meanwhile

    asyncio.run(read())
    return passed, counted, before


@given(
    st.lists(st.tuples(st.integers(1, 99), st.integers(0, 99), st.text(max_size=20)), max_size=5),
    st.lists(st.integers(0, 2000), max_size=5),
    st.sampled_from([b"\n", b"\r\n", b"\n\n"]),
    st.booleans(),
)
def test_they_are_counted_whole_before_the_last_of_them_passes(
    lines: list[tuple[int, int, str]], cuts: list[int], between: bytes, ended: bool
) -> None:
    whole = between.join(_line(*one) for one in lines) + (between if ended else b"")
    places = sorted({0, len(whole), *(cut % (len(whole) + 1) for cut in cuts)})
    passed, counted, before = _pass([whole[a:b] for a, b in pairwise(places)])

    assert b"".join(passed) == whole
    (usage,) = counted
    assert (usage.tokens.prompt, usage.tokens.completion) == (
        sum(prompt for prompt, _, _ in lines),
        sum(completion for _, completion, _ in lines),
    )
    assert usage.tokens.confidence is Confidence.EXACT
    assert usage.cost == sum(prompt + 2 * completion for prompt, completion, _ in lines)
    assert before[0] < len(whole) or not whole


def test_a_line_that_is_too_long_to_look_into_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_usage, "MAX_LINE_BYTES", 100)
    pieces = [b"x" * 60, b"x" * 60, b"\n" + _line(3, 2, "") + b"\n"]
    passed, (usage,), _ = _pass(pieces)
    assert passed == pieces
    assert (usage.tokens.prompt, usage.tokens.confidence) == (3, Confidence.ESTIMATED)
