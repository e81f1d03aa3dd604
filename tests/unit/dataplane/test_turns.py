"""Long walks leave the event loop free in between, and none waits for another's end."""

import asyncio
import itertools
from collections.abc import Iterator

import pytest
from tollkeeper_server.dataplane.request.references import Referred, walk_references
from tollkeeper_server.dataplane.turns import SIGNS, Turns
from tollkeeper_server.errors import TollkeeperError

LARGE = 1 << 20


def _steps(name: str, number: int, done: list[str]) -> Iterator[None]:
    for _ in range(number):
        done.append(name)
        yield


async def test_walks_take_turns() -> None:
    turns, done = Turns(), list[str]()
    await asyncio.gather(
        turns.through(_steps("long", 100, done), LARGE), turns.through(_steps("short", 3, done), LARGE)
    )
    assert done[:8].count("short") == 3
    assert done.count("long") == 100


async def test_the_loop_goes_on_between_their_steps() -> None:
    turns, done, seen = Turns(), list[str](), list[int]()

    async def watch() -> None:
        while len(done) < 300:
            seen.append(len(done))
            await asyncio.sleep(0)

    walks = [turns.through(_steps("x", 100, done), LARGE) for _ in range(3)]
    await asyncio.gather(watch(), *walks)
    assert max(later - before for before, later in itertools.pairwise(seen)) <= 1


async def test_a_failure_is_the_walks_own_and_the_next_one_goes_on() -> None:
    turns, done = Turns(), list[str]()
    body = b'{"file_ids":[' + b",".join(b'"%d"' % number for number in range(20_000)) + b"]}"
    failing = turns.through(walk_references(body, Referred()), len(body))
    results = await asyncio.gather(
        failing, turns.through(_steps("x", 50, done), LARGE), return_exceptions=True
    )
    assert isinstance(results[0], TollkeeperError)
    assert len(done) == 50


@pytest.mark.parametrize("body", [b"[" * 100 + b"[],", b'{"id":"a"},', b'{"a":[{"b":'])
def test_no_step_of_a_walk_is_longer_than_so_many_signs(body: bytes) -> None:
    many = b'{"x":[' + body * 5_000
    signs = sum(map(many.count, (b"[", b"]", b"{", b"}"))) + many.count(b'"') // 2
    assert sum(1 for _ in walk_references(many, Referred())) >= signs // SIGNS - 1
