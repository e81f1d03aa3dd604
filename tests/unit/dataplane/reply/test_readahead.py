"""Looking at the beginning of an answer loses nothing of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.reply.readahead import ReadAhead, read_ahead
from tollkeeper_server.dataplane.transport import CutError

from tests.unit.dataplane.upstream import Answer

PIECES = st.lists(st.binary(min_size=1, max_size=5), max_size=6)


def _answer(*steps: bytes | Exception) -> Answer:
    return Answer(steps, 200, [])


async def _rest(answer: ReadAhead) -> bytes:
    return b"".join([chunk async for chunk in answer.chunks()])


@given(PIECES, st.integers(1, 40), st.binary(min_size=1, max_size=2))
async def test_chunks_are_what_came(pieces: list[bytes], limit: int, wanted: bytes) -> None:
    answer = await read_ahead(_answer(*pieces), limit, lambda held: wanted in held)

    assert b"".join(pieces).startswith(answer.held)
    assert await _rest(answer) == b"".join(pieces)


@given(PIECES, st.integers(1, 40), st.sets(st.integers(0, 6)))
async def test_pouring_gives_what_came(pieces: list[bytes], limit: int, pauses: set[int]) -> None:
    answer = await read_ahead(_answer(*pieces), limit, lambda _: False)
    taken: list[bytes] = []

    def take(chunk: bytes) -> bool:
        taken.append(chunk)
        return len(taken) not in pauses

    while not await answer.pour(take):
        pass
    assert b"".join(taken) == b"".join(pieces)


async def test_what_was_read_to_its_end_is_there_at_once() -> None:
    whole = await read_ahead(_answer(b"one", b"two"), 100, lambda _: False)
    part = await read_ahead(_answer(b"one", b"two"), 100, lambda _: True)

    assert whole.whole_body() == b"onetwo"
    assert part.whole_body() is None


async def test_it_reads_no_further_than_it_must() -> None:
    answer = await read_ahead(_answer(b"one", b"two", b"three"), 100, lambda held: b"two" in held)

    assert answer.held == b"onetwo"


async def test_an_answer_that_breaks_off_is_told() -> None:
    with pytest.raises(CutError):
        await read_ahead(_answer(b"one", CutError("cut")), 100, lambda _: False)


async def test_closing_closes_what_is_behind_it() -> None:
    behind = _answer(b"one", b"two")
    answer = await read_ahead(behind, 1, lambda _: True)
    answer.close()

    assert behind.closed
