"""Keeping the snapshot up to date, on a real store."""

import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from tollkeeper_server.domain.model import Deployment, Model
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.upstream import Provider, Timeouts, Upstream
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.snapshot.compile import CompileError
from tollkeeper_server.snapshot.model import EMPTY, Snapshot
from tollkeeper_server.snapshot.watch import SnapshotWatch
from tollkeeper_server.store.ports import Store
from tollkeeper_server.store.sealed import Sealer, new_key, upstream_api_key
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.unit.clock import Clock

T0 = datetime(2026, 11, 21, tzinfo=UTC)
SEALER = Sealer(new_key())
UPSTREAM = Upstream(
    name="a",
    provider=Provider.OPENAI,
    base_url="https://api.test/v1",
    api_key=SEALER.seal("sk-canary", upstream_api_key("a")),
    is_default=True,
    created_at=T0,
    updated_at=T0,
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store."""
    made = SqliteStore(tmp_path / "store.db")
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def clock() -> Clock:
    """The watch's clock."""
    return Clock(1000.0)


@pytest.fixture
def watch(store: Store, clock: Clock) -> SnapshotWatch:
    """A watch that has seen nothing."""
    return SnapshotWatch(store.configuration, SEALER.open, Timeouts(), clock=clock)


async def _damage(store: Store) -> None:
    damaged = msgspec.structs.replace(UPSTREAM, api_key="damaged", revision=2)
    assert await store.configuration.replace(damaged, expected=1)


async def test_before_anything_was_loaded_there_is_nothing(watch: SnapshotWatch) -> None:
    assert watch.current is EMPTY


async def test_what_is_stored_is_loaded(store: Store, watch: SnapshotWatch) -> None:
    await store.configuration.add(UPSTREAM)
    await store.configuration.add(Project(id="prj_1", name="p", created_at=T0, updated_at=T0))
    await store.configuration.add(
        Model(name="m", deployments=(Deployment(upstream="a"),), created_at=T0, updated_at=T0)
    )

    loaded = await watch.load()

    assert loaded is watch.current
    assert loaded.revision == await store.configuration.revision()
    assert (set(loaded.projects), set(loaded.routes)) == ({"prj_1"}, {"m"})
    assert loaded.default is not None


async def test_what_does_not_compile_leaves_the_last_good_one(store: Store, watch: SnapshotWatch) -> None:
    await store.configuration.add(UPSTREAM)
    good = await watch.load()
    await _damage(store)

    with pytest.raises(CompileError):
        await watch.load()

    assert watch.current is good
    assert watch.problem is not None
    assert "the api_key of upstream a" in watch.problem


async def test_what_compiles_again_is_taken_over(store: Store, watch: SnapshotWatch) -> None:
    await store.configuration.add(UPSTREAM)
    await _damage(store)
    with pytest.raises(CompileError):
        await watch.load()
    assert await store.configuration.replace(msgspec.structs.replace(UPSTREAM, revision=3), expected=2)

    loaded = await watch.load()

    assert watch.problem is None
    assert loaded.revision == await store.configuration.revision()


async def test_a_store_that_is_away_leaves_the_last_good_one(store: Store, watch: SnapshotWatch) -> None:
    await store.configuration.add(UPSTREAM)
    good = await watch.load()
    await store.close()

    with pytest.raises(StoreUnavailableError):
        await watch.load()

    assert watch.current is good
    assert watch.problem is not None


async def test_a_snapshot_in_use_does_not_change(store: Store, watch: SnapshotWatch) -> None:
    kept = await watch.load()
    await store.configuration.add(UPSTREAM)

    assert (await watch.load()) is not kept
    assert kept.default is None


async def test_what_is_current_is_not_compiled_again(store: Store, watch: SnapshotWatch) -> None:
    await store.configuration.add(UPSTREAM)
    first = await watch.load()
    assert await watch.load() is first


async def test_the_age_counts_from_when_the_store_last_confirmed_the_snapshot(
    store: Store, watch: SnapshotWatch, clock: Clock
) -> None:
    assert watch.age() == math.inf
    assert not watch.confirm(0)
    await watch.load()
    clock.now += 5
    assert watch.age() == 5
    assert watch.confirm(watch.current.revision)
    assert watch.age() == 0
    clock.now += 3
    await store.configuration.add(UPSTREAM)
    assert not watch.confirm(await store.configuration.revision())
    assert watch.age() == 3
    await watch.load()
    assert watch.age() == 0
    clock.now += 1
    await watch.load()
    assert watch.age() == 0


async def test_what_does_not_compile_ages(store: Store, watch: SnapshotWatch, clock: Clock) -> None:
    await store.configuration.add(UPSTREAM)
    await watch.load()
    await _damage(store)
    clock.now += 7
    with pytest.raises(CompileError):
        await watch.load()
    assert not watch.confirm(await store.configuration.revision())
    assert watch.age() == 7
    assert watch.problem is not None


async def test_a_store_that_is_back_is_no_problem_any_more(store: Store, watch: SnapshotWatch) -> None:
    await watch.load()
    await store.close()
    with pytest.raises(StoreUnavailableError):
        await watch.load()
    await store.open()
    assert watch.confirm(await store.configuration.revision())
    assert watch.problem is None


async def test_subscribers_are_told_the_current_snapshot_and_every_later_one(
    store: Store, watch: SnapshotWatch
) -> None:
    told: list[Snapshot] = []
    watch.subscribe(told.append)
    assert told == [EMPTY]
    await store.configuration.add(UPSTREAM)
    first = await watch.load()
    await watch.load()
    late: list[Snapshot] = []
    watch.subscribe(late.append)
    assert (told, late) == ([EMPTY, first], [first])
    await _damage(store)
    with pytest.raises(CompileError):
        await watch.load()
    assert told == [EMPTY, first]


async def test_a_subscriber_that_fails_does_not_keep_the_others_from_it(
    store: Store, watch: SnapshotWatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(snapshot: Snapshot) -> None:
        raise ZeroDivisionError

    told: list[Snapshot] = []
    watch.subscribe(fail)
    watch.subscribe(told.append)
    await store.configuration.add(UPSTREAM)
    loaded = await watch.load()
    assert told == [EMPTY, loaded]
    assert "could not be put into effect" in caplog.text
