"""Large bodies are looked at aside, and long looks leave the interpreter to others for as long in between."""

import threading

import pytest
from tollkeeper_server.dataplane.aside import LARGE, LONG, Rests, aside


@pytest.mark.parametrize(("size", "on_loop"), [(LARGE, True), (LARGE + 1, False), (LONG + 1, False)])
async def test_what_is_large_is_looked_at_in_a_thread(size: int, on_loop: bool) -> None:
    def look(among: str) -> tuple[str, bool]:
        return among, threading.current_thread() is threading.main_thread()

    assert await aside(size, look, "body") == ("body", on_loop)


async def test_what_a_look_raises_is_raised() -> None:
    def look(among: str) -> None:
        raise ValueError(among)

    for size in LARGE, LARGE + 1, LONG + 1:
        with pytest.raises(ValueError, match="body"):
            await aside(size, look, "body")


def test_after_a_look_the_next_one_waits_as_long_as_it_took() -> None:
    now, slept = 100.0, list[float]()

    def sleep(seconds: float) -> None:
        nonlocal now
        slept.append(seconds)
        now += seconds

    def look(seconds: float) -> float:
        nonlocal now
        now += seconds
        if seconds == 7:
            raise ValueError("seven")
        return seconds

    rests = Rests(lambda: now, sleep)
    assert rests.look(look, 2) == 2
    assert slept == []
    now += 1.5
    with pytest.raises(ValueError, match="seven"):
        rests.look(look, 7)
    assert slept == [0.5]
    assert rests.look(look, 1) == 1
    assert slept == [0.5, 7]
    now += 1
    rests.look(look, 1)
    assert slept == [0.5, 7]
