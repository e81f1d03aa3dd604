"""Look-ups that many callers share."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.coordination.flights import Flights
from tollkeeper_server.errors import StoreUnavailableError

PATIENT = 60.0


class Source:
    """Answers look-ups when it may, or fails; and what memory knows meanwhile."""

    def __init__(self, *, seconds: float = PATIENT) -> None:
        self.asked: list[str] = []
        self.known: dict[str, str] = {}
        self.answers: dict[str, str] = {}
        self.error: Exception | None = None
        self.is_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.flights = Flights("thing", self.look_up, self.known.get, seconds=seconds)

    async def look_up(self, key: str) -> str:
        self.asked.append(key)
        self.is_asked.set()
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        return self.answers.get(key, f"{key} found")


@pytest.fixture
async def source() -> AsyncIterator[Source]:
    source = Source()
    yield source
    await source.flights.close()


async def asking(source: Source, *keys: str) -> list[asyncio.Task[str]]:
    """Return callers that wait for these keys."""
    callers = [asyncio.create_task(source.flights.find(key)) for key in keys]
    await source.is_asked.wait()
    return callers


async def test_callers_of_one_key_share_a_look_up(source: Source) -> None:
    callers = await asking(source, *["a", "b"] * 500)
    assert len(source.flights) == 2
    source.may_answer.set()
    assert await asyncio.gather(*callers) == ["a found", "b found"] * 500
    assert source.asked == ["a", "b"]
    assert not source.flights


async def test_a_later_caller_makes_a_look_up_of_its_own(source: Source) -> None:
    source.may_answer.set()
    await source.flights.find("a")
    source.answers["a"] = "new"
    assert await source.flights.find("a") == "new"
    assert source.asked == ["a", "a"]


@pytest.mark.parametrize("cancelled", [0, 1, 2])
async def test_a_cancelled_caller_leaves_the_look_up_to_the_others(source: Source, cancelled: int) -> None:
    callers = await asking(source, "a", "a", "a")
    callers[cancelled].cancel()
    source.may_answer.set()
    found = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(found.pop(cancelled), asyncio.CancelledError)
    assert found == ["a found"] * 2


async def test_a_look_up_that_every_caller_left_goes_on(source: Source) -> None:
    (caller,) = await asking(source, "a")
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    source.may_answer.set()
    assert await source.flights.find("a") == "a found"
    assert source.asked == ["a"]


async def test_one_that_was_started_is_shared_as_well(source: Source) -> None:
    started = source.flights.start("a")
    assert source.flights.start("a") is started
    callers = await asking(source, "a", "a")
    source.may_answer.set()
    assert await asyncio.gather(*callers, started) == ["a found"] * 3
    assert source.asked == ["a"]


async def test_each_caller_gets_an_error_of_its_own(source: Source) -> None:
    source.error = StoreUnavailableError("the store")
    callers = await asking(source, *["a"] * 100)
    source.may_answer.set()
    errors = await asyncio.gather(*callers, return_exceptions=True)
    assert all(isinstance(error, StoreUnavailableError) for error in errors)
    assert len({id(error) for error in [*errors, source.error]}) == 101


async def test_a_failure_is_not_remembered(source: Source) -> None:
    source.error = StoreUnavailableError("the store")
    source.may_answer.set()
    with pytest.raises(StoreUnavailableError):
        await source.flights.find("a")
    source.error = None
    assert await source.flights.find("a") == "a found"


async def test_a_look_up_without_an_answer_fails_when_its_time_is_over() -> None:
    """Those who share it, and only those: the next caller asks again."""
    source = Source(seconds=0.01)
    errors = await asyncio.gather(*(source.flights.find("a") for _ in range(3)), return_exceptions=True)
    assert {type(error) for error in errors} == {StoreUnavailableError}
    assert not source.flights
    source.may_answer.set()
    assert await source.flights.find("a") == "a found"
    assert source.asked == ["a", "a"]


async def test_a_timeout_of_the_look_ups_own_is_a_defect(source: Source) -> None:
    source.error = TimeoutError()
    source.may_answer.set()
    with pytest.raises(TimeoutError):
        await source.flights.find("a")


async def test_a_defect_reaches_the_caller_and_is_logged(
    source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    source.error = ZeroDivisionError()
    source.may_answer.set()
    with pytest.raises(ZeroDivisionError):
        await source.flights.find("a")
    assert [record.message for record in caplog.records] == ["looking up a thing failed"]


async def test_that_the_store_is_away_is_not_logged(source: Source, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "tollkeeper")
    source.error = StoreUnavailableError("the store")
    source.may_answer.set()
    with pytest.raises(StoreUnavailableError):
        await source.flights.find("a")
    assert caplog.records == []


async def test_closing_ends_the_look_ups_and_tells_each_caller(source: Source) -> None:
    callers = await asking(source, "a", "a", "b")
    await source.flights.close()
    errors = await asyncio.gather(*callers, return_exceptions=True)
    assert {type(error) for error in errors} == {StoreUnavailableError}
    assert len({id(error) for error in errors}) == 3
    assert not source.flights


def change_now(source: Source) -> None:
    source.known["a"] = "changed"


def change_after_the_answer(source: Source) -> None:
    source.flights.start("a").add_done_callback(lambda _: change_now(source))


@pytest.mark.parametrize("change", [change_now, change_after_the_answer])
@pytest.mark.parametrize("error", [None, StoreUnavailableError("the store")], ids=["answers", "fails"])
async def test_a_change_during_a_look_up_wins(
    source: Source, change: Callable[[Source], None], error: Exception | None
) -> None:
    """Over the answer and over a failure alike, up to the moment at which the caller goes on."""
    source.error = error
    (caller,) = await asking(source, "a")
    change(source)
    source.may_answer.set()
    assert await caller == "changed"


async def test_a_look_up_can_see_the_change_that_was_recorded_last(source: Source) -> None:
    source.flights.record("a", "too early")
    assert source.flights.change_of("a") is None
    (caller,) = await asking(source, "a")
    assert source.flights.change_of("a") is None
    for change in ("first", "last"):
        source.flights.record("a", change)
    assert source.flights.change_of("a") == "last"
    source.may_answer.set()
    await caller
    assert source.flights.change_of("a") is None


@given(
    steps=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["ask", "leave", "wait"])), max_size=30)
)
async def test_no_key_is_looked_up_twice_at_once(steps: list[tuple[str, str]]) -> None:
    """However callers come and go; those who stay get the answer for their key."""
    source, under_way = Source(), set[str]()

    async def look_up(key: str) -> str:
        assert key not in under_way
        under_way.add(key)
        for _ in range(3):
            await asyncio.sleep(0)
        under_way.remove(key)
        return key

    flights = Flights("thing", look_up, source.known.get)
    callers: list[tuple[str, asyncio.Task[str]]] = []
    for key, step in steps:
        if step == "ask":
            callers.append((key, asyncio.create_task(flights.find(key))))
        elif step == "leave" and callers:
            callers[len(callers) // 2][1].cancel()
        else:
            await asyncio.sleep(0)
    for key, caller in callers:
        (found,) = await asyncio.gather(caller, return_exceptions=True)
        assert found == key or isinstance(found, asyncio.CancelledError)
        assert caller.cancelled() == isinstance(found, asyncio.CancelledError)
    await flights.close()
