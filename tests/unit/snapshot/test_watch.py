"""Keeping the snapshot up to date, on a real store."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from tollkeeper_server.domain.model import Deployment, Model
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.upstream import Provider, Timeouts, Upstream
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.snapshot import watch as watch_module
from tollkeeper_server.snapshot.compile import CompileError
from tollkeeper_server.snapshot.model import EMPTY
from tollkeeper_server.snapshot.watch import SnapshotWatch
from tollkeeper_server.store.ports import Store
from tollkeeper_server.store.sealed import Sealer, new_key
from tollkeeper_server.store.sqlite import SqliteStore

T0 = datetime(2026, 11, 21, tzinfo=UTC)
SEALER = Sealer(new_key())
UPSTREAM = Upstream(
    name="a",
    provider=Provider.OPENAI,
    base_url="https://api.test/v1",
    api_key=SEALER.seal("sk-canary", "upstream:a:api_key"),
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
def watch(store: Store) -> SnapshotWatch:
    """A watch that has seen nothing."""
    return SnapshotWatch(store, SEALER.open, Timeouts())


async def _damage(store: Store) -> None:
    damaged = msgspec.structs.replace(UPSTREAM, api_key="damaged", revision=2)
    assert await store.replace_upstream(damaged, expected=1)


async def test_before_anything_was_loaded_there_is_nothing(watch: SnapshotWatch) -> None:
    assert watch.current is EMPTY


async def test_what_is_stored_is_loaded(store: Store, watch: SnapshotWatch) -> None:
    await store.add_upstream(UPSTREAM)
    await store.add_project(Project(id="prj_1", name="p", created_at=T0, updated_at=T0))
    await store.add_model(
        Model(name="m", deployments=(Deployment(upstream="a"),), created_at=T0, updated_at=T0)
    )

    loaded = await watch.load()

    assert loaded is watch.current
    assert loaded.revision == await store.config_revision()
    assert (set(loaded.projects), set(loaded.routes)) == ({"prj_1"}, {"m"})
    assert loaded.default is not None


async def test_pages_are_read_to_the_end(
    store: Store, watch: SnapshotWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "_PAGE", 2)
    for number in range(4):
        await store.add_project(Project(id=f"prj_{number}", name="p", created_at=T0, updated_at=T0))

    assert set((await watch.load()).projects) == {f"prj_{number}" for number in range(4)}


async def test_what_does_not_compile_leaves_the_last_good_one(store: Store, watch: SnapshotWatch) -> None:
    await store.add_upstream(UPSTREAM)
    good = await watch.load()
    await _damage(store)

    with pytest.raises(CompileError):
        await watch.load()

    assert watch.current is good
    assert watch.problem is not None
    assert "the api_key of upstream a" in watch.problem


async def test_what_compiles_again_is_taken_over(store: Store, watch: SnapshotWatch) -> None:
    await store.add_upstream(UPSTREAM)
    await _damage(store)
    with pytest.raises(CompileError):
        await watch.load()
    assert await store.replace_upstream(msgspec.structs.replace(UPSTREAM, revision=3), expected=2)

    loaded = await watch.load()

    assert watch.problem is None
    assert loaded.revision == await store.config_revision()


async def test_a_store_that_is_away_leaves_the_last_good_one(store: Store, watch: SnapshotWatch) -> None:
    await store.add_upstream(UPSTREAM)
    good = await watch.load()
    await store.close()

    with pytest.raises(StoreUnavailableError):
        await watch.load()

    assert watch.current is good
    assert watch.problem is not None


async def test_a_snapshot_in_use_does_not_change(store: Store, watch: SnapshotWatch) -> None:
    kept = await watch.load()
    await store.add_upstream(UPSTREAM)

    assert (await watch.load()) is not kept
    assert kept.default is None
