"""What a store promises about opening, closing, being away, and the secrets it keeps."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tollkeeper_server.domain.configuration import Batch, key_of
from tollkeeper_server.domain.listing import EntityFilter, Page
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.repricing import NewCost
from tollkeeper_server.domain.revision import Bounds, RevisionFilter
from tollkeeper_server.domain.token import TokenFilter
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.domain.usage import Place, UsageFilter
from tollkeeper_server.domain.usage_sums import Latency
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.store.open import make_store
from tollkeeper_server.store.ports import (
    ConfigurationStore,
    LedgerStore,
    NoticeStore,
    PlacementStore,
    RepricingStore,
    RevisionStore,
    SecretStore,
    SessionStore,
    Store,
    StoreCorruptError,
    TokenStore,
    UsageStore,
)

from tests.contract.conftest import Outage, opened, write_schema_version
from tests.contract.entities import (
    NOON,
    a_group,
    a_listener,
    a_model,
    a_notice,
    a_placement,
    a_project,
    a_repricing,
    a_session,
    a_token,
    an_event,
    an_upstream,
    find_placement,
)

CONFIGURED = (a_project(), an_upstream(), a_group(), a_model(), a_listener())
CALLS: dict[str, Callable[[Store], Awaitable[object]]] = {
    "ping": lambda store: store.ping(),
    "configuration.revision": lambda store: store.configuration.revision(),
    "configuration.read": lambda store: store.configuration.read(),
    "configuration.write": lambda store: store.configuration.write(Batch(puts=(a_group(),)), expected=0),
    "configuration.get": lambda store: store.configuration.get(Upstream, "openai"),
    "configuration.list": lambda store: store.configuration.list(Upstream, limit=1),
    "configuration.find_many": lambda store: store.configuration.find_many(Upstream, ["openai"]),
    "configuration.page": lambda store: store.configuration.page(Upstream, EntityFilter(), Page(limit=1)),
    "configuration.count": lambda store: store.configuration.count(Upstream, EntityFilter(), most=1),
    "configuration.add": lambda store: store.configuration.add(an_upstream()),
    "configuration.replace": lambda store: store.configuration.replace(an_upstream(), expected=1),
    "configuration.delete": lambda store: store.configuration.delete(Upstream, "openai", expected=1),
    "revisions.list": lambda store: store.revisions.list(RevisionFilter(), before=None, limit=1),
    "revisions.oldest": lambda store: store.revisions.oldest(),
    "revisions.differences": lambda store: store.revisions.differences(after=0, until=1, limit=1),
    "revisions.prune": lambda store: store.revisions.prune(Bounds()),
    "tokens.add": lambda store: store.tokens.add(a_token()),
    "tokens.get": lambda store: store.tokens.get("tok_1"),
    "tokens.find": lambda store: store.tokens.find("0" * 64),
    "tokens.list": lambda store: store.tokens.list(limit=1),
    "tokens.page": lambda store: store.tokens.page(TokenFilter(), Page(limit=1)),
    "tokens.count": lambda store: store.tokens.count(TokenFilter(), most=1),
    "tokens.limited": lambda store: store.tokens.limited(limit=1),
    "tokens.last_used": lambda store: store.tokens.last_used(["prj_1"]),
    "tokens.replace": lambda store: store.tokens.replace(a_token(), expected=1),
    "tokens.changed": lambda store: store.tokens.changed(since=NOON, limit=1),
    "tokens.admit": lambda store: store.tokens.admit("tok_1", at=NOON),
    "ledger.spent": lambda store: store.ledger.spent(),
    "ledger.spent_by_others": lambda store: store.ledger.spent_by_others("tokens:day:gateway:", 0, ()),
    "ledger.calendars": lambda store: store.ledger.calendars(),
    "ledger.delete_before": lambda store: store.ledger.delete_before("day", 0, limit=1),
    "ledger.fold": lambda store: store.ledger.fold("one", 0, before=0, members=(), limit=1),
    "usage.add": lambda store: store.usage.add([an_event()]),
    "usage.list": lambda store: store.usage.list(UsageFilter(), limit=1),
    "usage.count_times": lambda store: store.usage.count_times(
        Latency.DURATION, UsageFilter(), group_by=[], time_length=0, take=lambda _: None
    ),
    "usage.latest": lambda store: store.usage.latest(),
    "usage.number_of": lambda store: store.usage.number_of("req_1"),
    "usage.stored": lambda store: store.usage.stored(UsageFilter(), after=Place(0), until=1, limit=1),
    "usage.get": lambda store: store.usage.get("req_1"),
    "tokens.allowed_models": lambda store: store.tokens.allowed_models("gpt-", limit=1),
    "tokens.names": lambda store: store.tokens.names(["tok_1"]),
    "usage.sum": lambda store: store.usage.sum(
        UsageFilter(), group_by=[], time_length=0, take=lambda _: None
    ),
    "placements.add": lambda store: store.placements.add([a_placement()]),
    "placements.find_many": lambda store: store.placements.find_many(["file-1"]),
    "placements.keeping": lambda store: store.placements.keeping("project", ["one"]),
    "placements.settle": lambda store: store.placements.settle("file-1"),
    "placements.delete_before": lambda store: store.placements.delete_before(NOON, limit=1),
    "notices.add": lambda store: store.notices.add(a_notice()),
    "notices.list": lambda store: store.notices.list(limit=1),
    "notices.delete_before": lambda store: store.notices.delete_before(NOON, limit=1),
    "repricings.apply": lambda store: store.repricings.apply([NewCost("req_1", None, 1)], a_repricing()),
    "repricings.list": lambda store: store.repricings.list(limit=1),
    "sessions.add": lambda store: store.sessions.add(a_session()),
    "sessions.get": lambda store: store.sessions.get("ses_1"),
    "sessions.find": lambda store: store.sessions.find("0" * 64),
    "sessions.rotate": lambda store: store.sessions.rotate(
        "ses_1", expected="first", following="third", at=NOON, until=NOON
    ),
    "sessions.touch": lambda store: store.sessions.touch("ses_1", at=NOON),
    "sessions.list": lambda store: store.sessions.list("mark", limit=1),
    "sessions.delete": lambda store: store.sessions.delete("ses_1"),
    "sessions.delete_all": lambda store: store.sessions.delete_all(),
    "sessions.delete_ended": lambda store: store.sessions.delete_ended(
        used_before=NOON, created_before=NOON, limit=1
    ),
    "sessions.delete_surplus": lambda store: store.sessions.delete_surplus(keep=1_000),
    "secrets.keep": lambda store: store.secrets.keep("name", "sealed"),
    "secrets.find": lambda store: store.secrets.find("name"),
    "secrets.replace": lambda store: store.secrets.replace("name", "new", expected="sealed"),
}


def test_every_call_is_tried() -> None:
    """The table above has every call of every part, and of the store all but those that begin and end it."""
    parts = {
        "configuration": ConfigurationStore,
        "revisions": RevisionStore,
        "tokens": TokenStore,
        "usage": UsageStore,
        "ledger": LedgerStore,
        "placements": PlacementStore,
        "secrets": SecretStore,
        "notices": NoticeStore,
        "repricings": RepricingStore,
        "sessions": SessionStore,
    }
    calls = {f"{name}.{call}" for name, part in parts.items() for call in public(part)}
    assert public(Store) == {*parts, "open", "close", "ping"}
    assert calls | {"ping"} == set(CALLS)


def public(port: type) -> set[str]:
    """Return the names that a port has for others."""
    return {name for name in dir(port) if not name.startswith("_")}


async def test_reopening_keeps_everything(store_url: str) -> None:
    """What was written is there for the next process, and opening again changes nothing."""
    token, event, placement = a_token(), an_event(), a_placement()
    async with opened(store_url) as store:
        for entity in CONFIGURED:
            await store.configuration.add(entity)
        await store.tokens.add(token)
        await store.usage.add([event])
        await store.placements.add([placement])
        await store.secrets.keep("name", "sealed")
        revision = await store.configuration.revision()

    async with opened(store_url) as store, opened(store_url) as second:
        for entity in CONFIGURED:
            assert entity == await second.configuration.get(type(entity), key_of(entity))
        assert token == await second.tokens.find(token.digest)
        assert placement == await find_placement(second, placement.id)
        assert [event] == await second.usage.list(UsageFilter(), limit=10)
        assert await second.secrets.keep("name", "another") == "sealed"
        assert revision == await store.configuration.revision()


async def test_migrations_run_twice_are_harmless(store_url: str) -> None:
    """A store whose first process died before it noted the version opens, with all it had."""
    project = a_project()
    async with opened(store_url) as store:
        await store.configuration.add(project)
    if not store_url.startswith("sqlite"):  # SQLite notes the version in the migration's own transaction
        write_schema_version(store_url, 0)
    async with opened(store_url) as store:
        assert project == await store.configuration.get(Project, project.id)


async def test_two_may_open_a_new_store_at_once(store_url: str) -> None:
    """The schema is made once, whoever comes first."""
    stores = [make_store(store_url, Path()) for _ in range(4)]
    await asyncio.gather(*(store.open() for store in stores))
    try:
        await asyncio.gather(*(store.configuration.add(a_model(f"m{n}")) for n, store in enumerate(stores)))
        assert len(await stores[0].configuration.list(Model, limit=10)) == 4
        assert await stores[0].configuration.revision() == 4
    finally:
        await asyncio.gather(*(store.close() for store in stores))


async def test_a_newer_store_is_refused(store_url: str) -> None:
    """An older Tollkeeper does not touch what it can't understand, and says what to do."""
    async with opened(store_url):
        pass
    write_schema_version(store_url, 99)

    store = make_store(store_url, Path())
    with pytest.raises(
        StoreCorruptError, match=r"version 99 is newer than version \d+, .* run the Tollkeeper"
    ):
        await store.open()
    with pytest.raises(StoreUnavailableError):
        await store.ping()
    await store.close()


async def test_a_closed_store_is_unavailable(store_url: str) -> None:
    """Every method says so; closing again does nothing; opening again brings it back."""
    async with opened(store_url) as store:
        await store.ping()
    for call in CALLS.values():
        with pytest.raises(StoreUnavailableError):
            await call(store)
    await store.close()
    await store.open()
    await store.ping()
    await store.close()


async def test_a_store_that_is_away_is_unavailable_and_comes_back(outage: Outage) -> None:
    """Read and writes fail with the one error meanwhile; afterwards the same object goes on."""
    token = a_token(max_requests=5)
    async with opened(outage.url) as store:
        await store.tokens.add(token)
        outage.take()
        outcomes = await asyncio.gather(*(call(store) for call in CALLS.values()), return_exceptions=True)
        assert dict.fromkeys(CALLS, StoreUnavailableError) == dict(
            zip(CALLS, map(type, outcomes), strict=True)
        )
        outage.give()
        assert token == await store.tokens.find(token.digest)
        assert await store.tokens.admit(token.id, at=NOON)


async def test_a_write_completes_without_its_caller(store_url: str) -> None:
    """Who is cancelled leaves a whole write behind, never half of one; closing waits for it."""
    projects, token = [a_project() for _ in range(50)], a_token()
    events = [an_event(token) for _ in range(20)]
    async with opened(store_url) as store:
        await store.tokens.add(token)
        writes = [
            asyncio.ensure_future(write)
            for write in (*map(store.configuration.add, projects), store.usage.add(events))
        ]
        await asyncio.sleep(0)  # lets all of them begin
        for write in writes:
            write.cancel()
        assert all(
            isinstance(outcome, asyncio.CancelledError)
            for outcome in await asyncio.gather(*writes, return_exceptions=True)
        )

    async with opened(store_url) as store:
        assert len(await store.configuration.list(Project, limit=100)) == len(projects)
        assert await store.configuration.revision() == len(projects)
        counted = await store.tokens.get(token.id)
        assert counted is not None
        assert counted.request_count == 20


async def test_the_first_secret_is_kept(store: Store, store_url: str) -> None:
    """Of twenty processes that make a secret at the same time all get one and the same."""
    async with opened(store_url) as other:
        kept = await asyncio.gather(
            *((store, other)[number % 2].secrets.keep("digest", f"sealed {number}") for number in range(20))
        )
    assert len(set(kept)) == 1
    assert await store.secrets.keep("digest", "later") == kept[0]
    assert await store.secrets.keep("other", "x") == "x"
    assert await store.secrets.keep("digest", "later") == kept[0]


async def test_a_secret_is_replaced_only_while_it_is_the_expected_one(store: Store) -> None:
    """Of two that replace the same one does."""
    assert await store.secrets.find("digest") is None
    assert not await store.secrets.replace("digest", "new", expected="")
    assert await store.secrets.find("digest") is None
    await store.secrets.keep("digest", "old")
    done = await asyncio.gather(*(store.secrets.replace("digest", new, expected="old") for new in "ab"))
    assert sorted(done) == [False, True]
    assert await store.secrets.find("digest") == "ab"[done.index(True)]
