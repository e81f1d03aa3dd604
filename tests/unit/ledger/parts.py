"""What the tests of the journal are made of: events, a store with faults, and a crash."""

import asyncio
import builtins
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from tollkeeper_server.domain.limit import Charge
from tollkeeper_server.domain.usage import (
    Confidence,
    Intent,
    Place,
    StoredEvent,
    TokenCounts,
    UsageEvent,
    UsageFilter,
    UsageGroup,
    merge,
)
from tollkeeper_server.domain.usage_sums import Latency
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.ledger.drain import Drain
from tollkeeper_server.ledger.journal import Journal
from tollkeeper_server.store.ports import TakeGroups

DEADLINE = 30.0


def intent(
    event_id: str,
    *,
    upstream: str = "openai",
    request_bytes: int = 400,
    has_prompt: bool = True,
    holds: tuple[Charge, ...] = (),
) -> Intent:
    """Return what is known of a request that is about to be dispatched."""
    return Intent(
        id=event_id,
        request_id=f"caller-{event_id}",
        project_id="prj_1",
        token_id="tok_1",
        model_asked="gpt-4o",
        upstream=upstream,
        endpoint="chat_completions",
        started_at=datetime(2026, 11, 21, tzinfo=UTC),
        request_bytes=request_bytes,
        has_prompt=has_prompt,
        holds=holds,
    )


def settled(event_id: str, *, prompt: int = 7, charges: tuple[Charge, ...] = ()) -> UsageEvent:
    """Return the final event of a request."""
    return UsageEvent(
        id=event_id,
        request_id=f"caller-{event_id}",
        project_id="prj_1",
        token_id="tok_1",
        model_asked="gpt-4o",
        upstream="openai",
        endpoint="chat_completions",
        status=200,
        tokens=TokenCounts(prompt=prompt, completion=2, confidence=Confidence.EXACT),
        started_at=datetime(2026, 11, 21, tzinfo=UTC),
        duration_us=1200,
        charges=charges,
    )


BUDGETS = ("money:total:token:tok_1", "tokens:total:project:prj_1")
"""Two budgets that requests are charged to."""


def held(event_id: str, times: int = 1) -> tuple[Charge, ...]:
    """Return what a request holds of the budgets, by its id; `times` as much once it holds more."""
    amount = zlib.crc32(event_id.encode()) % 1000 + 1
    return tuple(Charge(key, 0, times * amount * factor) for factor, key in enumerate(BUDGETS, start=1))


def used(event_id: str) -> tuple[Charge, ...]:
    """Return what it has used of them in the end."""
    return tuple(Charge(it.key, it.period, it.amount // 3) for it in held(event_id))


class FaultyStore:
    """A store of usage events in memory that can be away, or refuse some events."""

    def __init__(self) -> None:
        self.events: dict[str, UsageEvent] = {}
        self.owners: dict[str, str] = {}
        self.away = False
        self.poison: set[str] = set()
        self.writes: list[int] = []
        self.attempted = asyncio.Event()

    async def add(self, events: Sequence[UsageEvent], *, owner: str = "") -> int:
        """Write events as the port says, or fails as it was told to."""
        self.attempted.set()
        if self.away:
            raise StoreUnavailableError("the store")
        if refused := [event.id for event in events if event.id in self.poison]:
            raise ValueError(f"value out of range in {refused[0]}")
        new = {event.id: event for event in events if event.id not in self.events}
        self.events |= new
        self.owners |= dict.fromkeys(new, owner)
        for event in events:
            if event.amends:
                merged = merge(self.events[event.id], event)
                self.events[event.id] = msgspec.structs.replace(merged, amends=False)
        self.writes.append(len(events))
        return len(new)

    async def sum(
        self, where: UsageFilter, *, group_by: Sequence[UsageGroup], time_length: int, take: TakeGroups
    ) -> None:
        """Nobody asks in these tests."""
        raise NotImplementedError

    async def count_times(
        self,
        of: Latency,
        where: UsageFilter,
        *,
        group_by: Sequence[UsageGroup],
        time_length: int,
        take: TakeGroups,
    ) -> None:
        """Nobody asks in these tests."""
        raise NotImplementedError

    async def get(self, event_id: str) -> UsageEvent | None:
        """Nobody asks in these tests."""
        raise NotImplementedError

    async def list(self, where: UsageFilter, *, before: str = "", limit: int) -> list[UsageEvent]:
        """Nobody asks in these tests."""
        raise NotImplementedError

    async def latest(self) -> int:
        """Nobody asks in these tests."""
        raise NotImplementedError

    async def number_of(self, event_id: str) -> int | None:
        """Nobody asks in these tests."""
        raise NotImplementedError

    async def stored(
        self, where: UsageFilter, *, after: Place, until: int, limit: int, amended: bool = False
    ) -> builtins.list[StoredEvent]:
        """Nobody asks in these tests."""
        raise NotImplementedError

    def statuses(self) -> dict[str, int]:
        """Return each event's id and status."""
        return {event_id: event.status for event_id, event in sorted(self.events.items())}


@asynccontextmanager
async def draining(
    journal: Journal, store: FaultyStore, *, batch: int = 500, adopt_interval: float = 60.0
) -> AsyncIterator[Drain]:
    """A running drain that is quick to try again."""
    drain = Drain(journal, store, batch=batch, interval=0.01, adopt_interval=adopt_interval)
    drain.start()
    try:
        yield drain
    finally:
        await drain.close()


async def drain_all(journal: Journal, store: FaultyStore) -> None:
    """Move into the store all that the journal and those it adopted have for it."""
    async with draining(journal, store) as drain:
        assert await drain.flush(DEADLINE)


def crash(journal: Journal) -> None:
    """Leave a journal as its process's death would: files as they are, locks free."""
    journal._writer.close()
    journal._claim.release()
    for orphan in journal.orphans:
        orphan.release()


def directories(root: Path) -> list[Path]:
    """Return the directories of processes below a journal's root."""
    return sorted(path for path in root.iterdir() if path.is_dir())


def segments(journal: Journal) -> list[str]:
    """Return the names of a journal's own segments."""
    return sorted(path.name for path in journal._claim.path.glob("*.jsonl"))
