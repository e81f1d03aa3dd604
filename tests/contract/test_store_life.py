"""What a store promises about opening, closing, being away, and the secrets it keeps."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tollkeeper_server.domain.configuration import Batch
from tollkeeper_server.domain.usage import UsageFilter
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.store.open import make_store
from tollkeeper_server.store.ports import Store, StoreCorruptError

from tests.contract.conftest import Outage, opened, write_schema_version
from tests.contract.entities import (
    NOON,
    a_group,
    a_listener,
    a_model,
    a_placement,
    a_project,
    a_token,
    an_event,
    an_upstream,
)

CALLS: dict[str, Callable[[Store], Awaitable[object]]] = {
    "ping": lambda store: store.ping(),
    "config_revision": lambda store: store.config_revision(),
    "keep_secret": lambda store: store.keep_secret("name", "sealed"),
    "list_secrets": lambda store: store.list_secrets(),
    "add_project": lambda store: store.add_project(a_project()),
    "get_project": lambda store: store.get_project("prj_1"),
    "list_projects": lambda store: store.list_projects(limit=1),
    "replace_project": lambda store: store.replace_project(a_project(), expected=1),
    "add_token": lambda store: store.add_token(a_token()),
    "get_token": lambda store: store.get_token("tok_1"),
    "find_token": lambda store: store.find_token("0" * 64),
    "list_tokens": lambda store: store.list_tokens(limit=1),
    "replace_token": lambda store: store.replace_token(a_token(), expected=1),
    "list_changed_tokens": lambda store: store.list_changed_tokens(since=NOON, limit=1),
    "admit_request": lambda store: store.admit_request("tok_1", at=NOON),
    "add_upstream": lambda store: store.add_upstream(an_upstream()),
    "get_upstream": lambda store: store.get_upstream("openai"),
    "list_upstreams": lambda store: store.list_upstreams(limit=1),
    "replace_upstream": lambda store: store.replace_upstream(an_upstream(), expected=1),
    "delete_upstream": lambda store: store.delete_upstream("openai", expected=1),
    "add_model": lambda store: store.add_model(a_model()),
    "get_model": lambda store: store.get_model("gpt-5"),
    "list_models": lambda store: store.list_models(limit=1),
    "replace_model": lambda store: store.replace_model(a_model(), expected=1),
    "delete_model": lambda store: store.delete_model("gpt-5", expected=1),
    "add_group": lambda store: store.add_group(a_group()),
    "get_group": lambda store: store.get_group("large"),
    "list_groups": lambda store: store.list_groups(limit=1),
    "replace_group": lambda store: store.replace_group(a_group(), expected=1),
    "delete_group": lambda store: store.delete_group("large", expected=1),
    "add_listener": lambda store: store.add_listener(a_listener()),
    "get_listener": lambda store: store.get_listener("tenant"),
    "list_listeners": lambda store: store.list_listeners(limit=1),
    "replace_listener": lambda store: store.replace_listener(a_listener(), expected=1),
    "delete_listener": lambda store: store.delete_listener("tenant", expected=1),
    "read_configuration": lambda store: store.read_configuration(),
    "write_configuration": lambda store: store.write_configuration(Batch(puts=(a_group(),)), expected=0),
    "add_placements": lambda store: store.add_placements([a_placement()]),
    "find_placement": lambda store: store.find_placement("file-1"),
    "delete_placements_before": lambda store: store.delete_placements_before(NOON, limit=1),
    "add_usage": lambda store: store.add_usage([an_event()]),
    "list_usage": lambda store: store.list_usage(UsageFilter(), limit=1),
    "sum_usage": lambda store: store.sum_usage(UsageFilter(), group_by=[], limit=1),
}


def test_every_call_is_tried() -> None:
    """The table above names every method of the port but those that begin and end it."""
    methods = {name for name in dir(Store) if not name.startswith("_")} - {"open", "close"}
    assert methods == set(CALLS)


async def test_reopening_keeps_everything(store_url: str) -> None:
    """What was written is there for the next process, and opening again changes nothing."""
    project, token, upstream, model, event = a_project(), a_token(), an_upstream(), a_model(), an_event()
    async with opened(store_url) as store:
        await store.add_project(project)
        await store.add_token(token)
        await store.add_upstream(upstream)
        await store.add_model(model)
        await store.add_usage([event])
        await store.keep_secret("name", "sealed")
        revision = await store.config_revision()

    async with opened(store_url) as store, opened(store_url) as second:
        assert project == await second.get_project(project.id)
        assert token == await second.find_token(token.digest)
        assert upstream == await second.get_upstream(upstream.name)
        assert model == await second.get_model(model.name)
        assert [event] == await second.list_usage(UsageFilter(), limit=10)
        assert await second.list_secrets() == {"name": "sealed"}
        assert revision == await store.config_revision()


async def test_migrations_run_twice_are_harmless(store_url: str) -> None:
    """A store whose first process died before it noted the version opens, with all it had."""
    project = a_project()
    async with opened(store_url) as store:
        await store.add_project(project)
    if not store_url.startswith("sqlite"):  # SQLite notes the version in the migration's own transaction
        write_schema_version(store_url, 0)
    async with opened(store_url) as store:
        assert project == await store.get_project(project.id)


async def test_two_may_open_a_new_store_at_once(store_url: str) -> None:
    """The schema is made once, whoever comes first."""
    stores = [make_store(store_url, Path()) for _ in range(4)]
    await asyncio.gather(*(store.open() for store in stores))
    try:
        await asyncio.gather(*(store.add_model(a_model(f"m{n}")) for n, store in enumerate(stores)))
        assert len(await stores[0].list_models(limit=10)) == 4
        assert await stores[0].config_revision() == 4
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
    """Reads and writes fail with the one error meanwhile; afterwards the same object goes on."""
    token = a_token(max_requests=5)
    async with opened(outage.url) as store:
        await store.add_token(token)
        outage.take()
        outcomes = await asyncio.gather(*(call(store) for call in CALLS.values()), return_exceptions=True)
        assert dict.fromkeys(CALLS, StoreUnavailableError) == dict(
            zip(CALLS, map(type, outcomes), strict=True)
        )
        outage.give()
        assert token == await store.find_token(token.digest)
        assert await store.admit_request(token.id, at=NOON)


async def test_a_write_completes_without_its_caller(store_url: str) -> None:
    """Who is cancelled leaves a whole write behind, never half of one; closing waits for it."""
    projects, token = [a_project() for _ in range(50)], a_token()
    events = [an_event(token) for _ in range(20)]
    async with opened(store_url) as store:
        await store.add_token(token)
        writes = [
            asyncio.ensure_future(write)
            for write in (*map(store.add_project, projects), store.add_usage(events))
        ]
        await asyncio.sleep(0)  # lets all of them begin
        for write in writes:
            write.cancel()
        assert all(
            isinstance(outcome, asyncio.CancelledError)
            for outcome in await asyncio.gather(*writes, return_exceptions=True)
        )

    async with opened(store_url) as store:
        assert len(await store.list_projects(limit=100)) == len(projects)
        assert await store.config_revision() == len(projects)
        counted = await store.get_token(token.id)
        assert counted is not None
        assert counted.request_count == 20


async def test_the_first_secret_is_kept(store: Store, store_url: str) -> None:
    """Of twenty processes that make a secret at the same time all get one and the same."""
    async with opened(store_url) as other:
        kept = await asyncio.gather(
            *((store, other)[number % 2].keep_secret("digest", f"sealed {number}") for number in range(20))
        )
    assert len(set(kept)) == 1
    assert await store.list_secrets() == {"digest": kept[0]}
    assert await store.keep_secret("other", "x") == "x"
    assert await store.list_secrets() == {"digest": kept[0], "other": "x"}
