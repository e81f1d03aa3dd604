"""Callers who ask one thing after the other, however the gateway changes meanwhile."""

import asyncio
import itertools
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from tests.faults.traffic import Answer, callers, send
from tests.integration.process import Gateway

LONG_STREAM = "events=40,interval=100"


@dataclass
class Load:
    """What callers have asked until they were told that it is enough, and what came of it, by request id."""

    gateway: Gateway
    secret: str
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    answers: dict[str, Answer] = field(default_factory=dict)

    async def ask(self, caller: str, *, listener: str = "", stream: bool = False, keep: bool = True) -> None:
        """Ask one thing after the other; unless `keep`, each on a new connection."""
        simulate = LONG_STREAM if stream else "latency=30"
        async with AsyncExitStack() as sessions:
            session = await sessions.enter_async_context(callers())
            for number in itertools.count():
                if self.enough.is_set():
                    return
                if not keep:
                    await sessions.aclose()
                    session = await sessions.enter_async_context(callers())
                name = f"{caller}-{number}"
                self.answers[name] = await send(
                    session,
                    self.gateway,
                    self.secret,
                    simulate,
                    stream=stream,
                    request_id=name,
                    listener=listener,
                )

    def outcomes(self) -> Counter[tuple[int, bool]]:
        """Count the answers by status, and by whether they came whole."""
        return Counter((answer.status, answer.whole) for answer in self.answers.values())

    def of(self, caller: str) -> list[Answer]:
        """Return what callers whose names begin so were answered."""
        return [answer for name, answer in self.answers.items() if name.startswith(caller)]
