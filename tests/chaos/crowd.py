"""The callers of a round: each asks one thing after the other, by the seed, of any gateway that answers."""

import asyncio
import contextlib
import itertools
from dataclasses import dataclass, field
from random import Random

import aiohttp

from tests.chaos.town import Town
from tests.faults.traffic import Answer, callers, headers_of, question, send
from tests.integration.process import Gateway

CALLERS = 12
_EVENTS = 12
_PAUSE = 0.05


@dataclass
class Crowd:
    """What callers were answered, by request id; `gone` are those who left, `refused` got a budget's 429."""

    name: str
    secret: str
    chance: Random
    answers: dict[str, Answer] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, town: Town) -> None:
        """Ask until `over` is set."""
        seeds = [self.chance.random() for _ in range(CALLERS)]
        async with callers() as session, asyncio.TaskGroup() as tasks:
            for number, seed in enumerate(seeds):
                tasks.create_task(self._call(session, town, number, Random(seed)))

    async def _call(self, session: aiohttp.ClientSession, town: Town, caller: int, chance: Random) -> None:
        for number in itertools.count():
            if self.over.is_set():
                return
            name = f"{self.name}-{caller}-{number}"
            gateway = chance.choice(town.gateways)
            kind = chance.random()
            if kind < 0.15:
                self.gone.add(name)
                await self._leave(session, gateway, name, chance.randrange(_EVENTS + 1))
                continue
            simulate, stream = _question(chance, kind)
            answer = await send(session, gateway, self.secret, simulate, stream=stream, request_id=name)
            self.answers[name] = answer
            if answer.status != 200:
                await asyncio.sleep(_PAUSE)

    async def _leave(self, session: aiohttp.ClientSession, gateway: Gateway, name: str, after: int) -> None:
        """Leave a stream after so many of its lines."""
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with session.post(
                f"{gateway.data}/v1/chat/completions",
                headers=headers_of(self.secret, f"events={_EVENTS},interval=10", name),
                json=question(stream=True),
            ) as response:
                for _ in range(2 * after):
                    await response.content.readline()
                response.close()


def _question(chance: Random, kind: float) -> tuple[str, bool]:
    """Return what the provider is to do, and whether it streams."""
    if kind < 0.3:
        return f"events={_EVENTS},cut={chance.randrange(_EVENTS + 1)}", True
    if kind < 0.4:
        return chance.choice(["status=503", "status=500", "drop", "reset", "garbage", "cut=40"]), False
    if kind < 0.6:
        return f"events={_EVENTS},interval={chance.choice([0, 10, 40])}", True
    return chance.choice(["", "latency=20", "latency=200"]), False
