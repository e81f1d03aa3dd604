"""Usage is watched by both clients and by the command line."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import cast
from uuid import uuid4

import pytest
from tollkeeper import AsyncClient, Client, NotFound, Unavailable, UsageEvent, UsageNews
from tollkeeper_server.domain.usage import UsageEvent as StoredEvent

from tests.servers.ports import free_port
from tests.unit.clients.cli.test_commands import MAIN
from tests.unit.clients.conftest import Gateway
from tests.unit.clients.traffic import event, keep


def some(project_id: str, number: int) -> list[StoredEvent]:
    """Return some events of a project, in the order of their ids."""
    events = [event(project_id, started_at=datetime.now(UTC)) for _ in range(number)]
    return sorted(events, key=lambda it: it.id)


def flat(news: Iterator[UsageNews]) -> Iterator[UsageEvent]:
    """Yield the events one by one."""
    for one in news:
        yield from one.events


@pytest.fixture
async def stored(gateway: Gateway) -> list[StoredEvent]:
    """Events of a project of their own, in the order in which they are stored."""
    events = some(f"prj_{uuid4().hex[:12]}", 40)
    for start in range(0, 40, 10):
        await keep(gateway.store_file, events[start : start + 10])
    return events


async def test_a_watch_goes_on_behind_an_event(client: Client, stored: list[StoredEvent]) -> None:
    watch = client.usage.watch(after_id=stored[0].id, project_id=stored[0].project_id)
    found = list(islice(flat(watch), 39))
    assert [it.id for it in found] == [it.id for it in stored[1:]]
    assert (found[0].model_served, found[0].prompt_tokens) == ("gpt-4o", 10)


async def test_what_is_stored_meanwhile_is_told(
    async_client: AsyncClient, gateway: Gateway, stored: list[StoredEvent]
) -> None:
    found: list[str] = []
    later = some(stored[0].project_id, 3)
    async for news in async_client.usage.watch(after_id=stored[38].id, project_id=stored[0].project_id):
        found += [it.id for it in news.events]
        if found == [stored[39].id]:
            await keep(gateway.store_file, later)
        if len(found) == 4:
            break
    assert found == [stored[39].id, *(it.id for it in later)]


def test_an_event_that_is_not_there_is_refused(client: Client) -> None:
    with pytest.raises(NotFound, match="after_id"):
        next(client.usage.watch(after_id="req_unknown"))


def test_a_gateway_that_is_not_there_is_told() -> None:
    with Client(f"127.0.0.1:{free_port()}", management_token="x") as client, pytest.raises(Unavailable):
        next(client.usage.watch())


@contextmanager
def running(gateway: Gateway, *arguments: str) -> Iterator[Callable[[], str]]:
    """Run a command that goes on until it is interrupted, and give what reads its next line."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", MAIN, *arguments],
        env={
            **os.environ,
            "TOLLKEEPER_GRPC_ADDRESS": gateway.address,
            "TOLLKEEPER_MANAGEMENT_TOKEN": gateway.management_token,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        yield process.stdout.readline
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.parametrize("as_json", [False, True])
def test_the_tail_of_usage_is_shown_until_it_is_interrupted(
    gateway: Gateway, stored: list[StoredEvent], as_json: bool
) -> None:
    arguments = ["usage", "tail", "--after-id", stored[37].id, "--project-id", stored[0].project_id]
    with running(gateway, *arguments, *(["--json"] if as_json else [])) as read:
        lines = [read() for _ in range(2 if as_json else 3)]
    if as_json:
        assert [cast("dict[str, object]", json.loads(line))["id"] for line in lines] == [
            stored[38].id,
            stored[39].id,
        ]
    else:
        assert lines[0].split() == [
            "STARTED", "ENDPOINT", "MODEL", "UPSTREAM", "STATUS", "PROMPT", "COMPLETION", "MS",
        ]  # fmt: skip
        assert {tuple(line.split()[2:]) for line in lines[1:]} == {
            ("chat_completions", "gpt-4o", "openai", "200", "10", "5", "2000")
        }


def test_the_status_begins_with_the_whole(client: Client) -> None:
    first = next(client.status.watch())
    assert (first.is_start, first.has_more, first.attention_changed) == (True, False, True)
    assert first.status is not None
    assert (first.status.process, [it.name for it in first.upstreams]) == ("host-1", ["anthropic", "openai"])


async def test_the_status_is_watched_without_blocking(async_client: AsyncClient) -> None:
    async for news in async_client.status.watch():
        assert news.is_start
        break


def test_what_changes_of_the_status_is_shown_until_it_is_interrupted(gateway: Gateway) -> None:
    with running(gateway, "status", "--watch") as read:
        shown = [" ".join(read().split()[1:]) for _ in range(5)]
    assert shown == [
        "process host-1: ready, 1.2.3, revision 7",
        "part redis: degraded, Redis is not reachable",
        "part store: ok",
        "upstream anthropic: breaker closed, 0 in flight, no recent call, p50 -, p95 -",
        "upstream openai: breaker closed, 0 in flight, no recent call, p50 -, p95 -",
    ]


def test_a_section_of_the_status_is_watched_as_json(gateway: Gateway) -> None:
    with running(gateway, "status", "upstreams", "--watch", "--json") as read:
        first = json.loads(read())
    assert (first["is_start"], first["status"]) == (True, None)
    assert [it["name"] for it in first["upstreams"]] == ["anthropic", "openai"]
