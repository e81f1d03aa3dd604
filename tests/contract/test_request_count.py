"""A token's `request_count` is the number of its requests that were admitted, whatever happens meanwhile."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from tollkeeper_server.coordination.ports import Change, SharedTokens
from tollkeeper_server.coordination.redis.link import RedisLink
from tollkeeper_server.coordination.redis.tokens import RedisSharedTokens
from tollkeeper_server.coordination.tokens import TokenCache
from tollkeeper_server.dataplane.admission import Admitter
from tollkeeper_server.domain.ids import Prefix, new_id
from tollkeeper_server.domain.usage import Admission, Intent, UsageEvent, UsageFilter
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.ledger.drain import Drain
from tollkeeper_server.ledger.journal import Journal
from tollkeeper_server.store.open import make_store
from tollkeeper_server.store.ports import Store, UsageStore

from tests.contract.conftest import opened
from tests.contract.entities import LATER, NOON, a_token, an_event
from tests.unit.ledger.parts import DEADLINE, crash

T = TypeVar("T")
ADMITTED = {Admission.LIMITED, Admission.UNLIMITED}
PROCESSES = (0, 1)


def ended(begun: Intent, status: int) -> UsageEvent:
    """Return the final event of a request."""
    known = msgspec.structs.asdict(begun)
    return UsageEvent(
        **{name: known[name] for name in UsageEvent.__struct_fields__ if name in known}, status=status
    )


class Faulty:
    """A usage store whose answer is lost now and then, before or after it has written."""

    def __init__(self, store: UsageStore) -> None:
        self._store = store
        self.losses: list[str] = []

    async def add(self, events: Sequence[UsageEvent], *, owner: str = "") -> int:
        """As the port says, unless a loss is due."""
        loss = self.losses.pop() if self.losses else ""
        if loss == "before":
            raise StoreUnavailableError("the store")
        written = events[: len(events) // 2] if loss == "half" else events
        new = await self._store.add(written, owner=owner)
        if loss:
            raise StoreUnavailableError("the store")
        return new

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class Process:
    """What a process knows of tokens, and its journal, with the requests that are under way."""

    def __init__(self, store: Store, shared: SharedTokens | None, root: Path) -> None:
        self.tokens = TokenCache(store.tokens, shared, lifetime=3600, unknown_lifetime=3600, capacity=10)
        self._admitter = Admitter(store.tokens, lambda: NOON)
        self._usage = Faulty(store.usage)
        self._root = root
        self.journal = Journal(root, segment_bytes=2000, recent_events=3)
        self.under_way: list[Intent] = []

    async def ask(self, digest: str) -> Admission:
        """Take a request up to its admission, as the data plane's plan does."""
        token = await self.tokens.find(digest)
        assert token is not None
        admission = await self._admitter.admit(token) if token.max_requests else Admission.UNLIMITED
        asked = an_event(token)
        begun = Intent(
            id=asked.id,
            request_id=asked.request_id,
            project_id=asked.project_id,
            token_id=asked.token_id,
            upstream="openai" if admission in ADMITTED else "",
            endpoint=asked.endpoint,
            started_at=asked.started_at,
            admission=admission,
        )
        if admission in ADMITTED:
            self.journal.begin(begun)
            self.under_way.append(begun)
        else:
            self.journal.settle(ended(begun, 429))
        return admission

    def settle(self, which: int) -> None:
        """End one of the requests under way."""
        self.journal.settle(ended(self.under_way.pop(which % len(self.under_way)), 200))

    async def drain(self, *losses: str) -> None:
        """Store what is settled, and what dead processes left."""
        self._usage.losses = list(losses)
        drain = Drain(self.journal, self._usage, batch=4, interval=0.001)
        drain.start()
        assert await drain.flush(DEADLINE)
        await drain.close()

    def die(self) -> None:
        """Die, and start again."""
        crash(self.journal)
        self.under_way.clear()
        self.journal = Journal(self._root, segment_bytes=2000, recent_events=3)


class Requests(RuleBasedStateMachine):
    """Two processes, one token, and somebody who edits its limit."""

    def __init__(
        self, run: Callable[..., Any], store: Store, shared: SharedTokens | None, root: Path
    ) -> None:
        super().__init__()
        self._run = run
        self._store = store
        self._token = a_token()
        self._admitted = 0
        run(store.tokens.add(self._token))
        self._processes = [Process(store, shared, root / self._token.id / f"{n}") for n in PROCESSES]

    @rule(number=st.sampled_from(PROCESSES))
    def ask(self, number: int) -> None:
        self._admitted += self._run(self._processes[number].ask(self._token.digest)) in ADMITTED

    @precondition(lambda self: any(process.under_way for process in self._processes))
    @rule(which=st.integers(0, 20))
    def settle(self, which: int) -> None:
        busy = [process for process in self._processes if process.under_way]
        busy[which % len(busy)].settle(which)

    @rule(limit=st.integers(0, 9), told=st.sets(st.sampled_from(PROCESSES)))
    def edit(self, limit: int, told: set[int]) -> None:
        """Set, change or lift the limit; only some of the processes hear of it in time."""
        newer = msgspec.structs.replace(
            self._token,
            max_requests=limit,
            revision=self._token.revision + 1,
            updated_at=self._token.updated_at + timedelta(seconds=1),
        )
        assert self._run(self._store.tokens.replace(newer, expected=self._token.revision))
        self._token = newer
        for number in told:
            self._run(self._tell(number, Change(token=newer)))

    async def _tell(self, number: int, change: Change) -> None:
        self._processes[number].tokens.apply(change)

    @rule(
        number=st.sampled_from(PROCESSES),
        losses=st.lists(st.sampled_from(["before", "half", "after"]), max_size=3),
    )
    def drain(self, number: int, losses: list[str]) -> None:
        self._run(self._processes[number].drain(*losses))

    @rule(number=st.sampled_from(PROCESSES))
    def die(self, number: int) -> None:
        self._processes[number].die()

    def teardown(self) -> None:
        for process in self._processes:
            while process.under_way:
                process.settle(0)
            self._run(process.drain())
            self._run(process.tokens.close())
            process.journal.close()
        found = self._run(self._store.tokens.get(self._token.id))
        events = self._run(self._store.usage.list(UsageFilter(token_id=(self._token.id,)), limit=1000))
        assert found.request_count == self._admitted
        assert sum(event.admission in ADMITTED for event in events) == self._admitted


@pytest.mark.parametrize("through_redis", [False, True], ids=["alone", "redis"])
def test_the_count_is_the_number_of_admitted_requests(
    store_url: str, through_redis: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """However requests, ends, edits, losses, deaths and drains interleave."""
    redis_url: str | None = request.getfixturevalue("redis_url") if through_redis else None
    few = store_url.startswith("mongodb")
    with asyncio.Runner() as runner:
        store = make_store(store_url, tmp_path)
        runner.run(store.open())
        link = RedisLink(redis_url) if redis_url else None
        shared = RedisSharedTokens(link, lifetime=3600, unknown_lifetime=3600) if link else None
        try:
            run_state_machine_as_test(
                lambda: Requests(runner.run, store, shared, tmp_path),  # type: ignore[arg-type] # any callable
                settings=settings(
                    max_examples=6 if few else 15,
                    stateful_step_count=30,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            if link:
                runner.run(link.close())
            runner.run(store.close())


def an_old_line(kind: bytes, event: UsageEvent) -> bytes:
    """Return a line of a journal as earlier releases wrote it: without the admission."""
    fields = msgspec.to_builtins(event)
    del fields["admission"]
    if kind == b"I":
        fields = {name: fields[name] for name in Intent.__struct_fields__ if name in fields}
    return kind + msgspec.json.encode(fields) + b"\n"


@pytest.mark.parametrize(("limit", "counted"), [(0, 2), (9, 0)])
async def test_the_journal_of_an_earlier_release_is_counted_by_the_limit_there_is(
    store_url: str, tmp_path: Path, limit: int, counted: int
) -> None:
    """Its calls of upstreams count where there is none: where there is one they were counted before."""
    token = a_token(max_requests=limit)
    settled, interrupted = an_event(token), an_event(token, started_at=LATER)
    refused = msgspec.structs.replace(an_event(token), upstream="", status=404)
    left = tmp_path / "journal" / "20260101T000000-1-abcdef"
    left.mkdir(parents=True)
    (left / "0000000001.jsonl").write_bytes(
        an_old_line(b"I", settled)
        + an_old_line(b"S", settled)
        + an_old_line(b"I", interrupted)
        + an_old_line(b"S", refused)
    )
    async with opened(store_url) as store:
        await store.tokens.add(token)
        journal = Journal(tmp_path / "journal")
        drain = Drain(journal, store.usage, interval=0.001)
        drain.start()
        assert await drain.flush(DEADLINE)
        await drain.close()
        journal.close()
        found = await store.tokens.get(token.id)
        assert found is not None
        assert (found.request_count, found.last_used_at) == (counted, LATER)
        assert len(await store.usage.list(UsageFilter(token_id=(token.id,)), limit=9)) == 3


@pytest.mark.parametrize("limit", [0, 1, 9])
async def test_an_event_is_counted_by_its_own_admission(store: Store, limit: int) -> None:
    """Whatever the limit is when it is stored; a batch that is repeated counts nothing more."""
    token = a_token(max_requests=limit)
    await store.tokens.add(token)
    events = [
        msgspec.structs.replace(an_event(token), id=new_id(Prefix.REQUEST), admission=admission)
        for admission in (Admission.NONE, Admission.LIMITED, Admission.UNLIMITED, Admission.UNLIMITED)
    ]
    for batch in (events[:3], events, events):
        await store.usage.add(batch)
    found = await store.tokens.get(token.id)
    assert found is not None
    assert found.request_count == 2
    stored = await store.usage.list(UsageFilter(), limit=9)
    assert {event.id: event for event in stored} == {event.id: event for event in events}
