"""Asking upstreams for their models: once, in the background, and for each key by itself."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from tollkeeper_server.dataplane.call.health import Health
from tollkeeper_server.dataplane.call.model_lists import (
    FRESH_SECONDS,
    MAX_BYTES,
    MAX_LISTS,
    RETRY_SECONDS,
    ModelLists,
)
from tollkeeper_server.dataplane.request.peek import MAX_MODEL_LENGTH
from tollkeeper_server.domain.connect_failure import ConnectReason
from tollkeeper_server.domain.upstream import HeaderAction, Provider
from tollkeeper_server.http1.client.transport import Http1Transport
from tollkeeper_server.snapshot.model import ProjectView, Target
from tollkeeper_server.telemetry.metrics import Metrics

from tests.unit.clock import Clock
from tests.unit.dataplane.call.served import Upstream, serving
from tests.unit.dataplane.configured import PROJECT_KEY, PROVIDER_KEY, snapshot_of, target

PROJECT = ProjectView(id="prj_1", is_active=True, api_key=None)
OWN = ProjectView(id="prj_2", is_active=True, api_key=PROJECT_KEY)


class Scene:
    """Lists of a real upstream, and their clock. `patience` is the wait for a first list, in seconds."""

    def __init__(self, upstream: Upstream, transport: Http1Transport, patience: float = 30.0) -> None:
        self.upstream = upstream
        self.transport = transport
        self.clock = Clock()
        self.metrics = Metrics()
        self.health = Health(self.clock)
        self.lists = ModelLists(transport, self.metrics, self.health, self.clock, first_seconds=patience)

    def target(self, name: str = "open", **changes: Any) -> Target:
        """Return an upstream that lists its models."""
        url = self.upstream.url
        return target(name, **{"base_url": url, "models_url": f"{url}/models", **changes})

    def serves(self, names: Iterable[str]) -> None:
        """Let the upstream list these."""
        self.sends(json.dumps({"data": [{"id": name} for name in names]}).encode())

    def sends(self, body: bytes, status: int = 200, headers: bytes = b"") -> None:
        """Let the upstream answer with this."""
        length = b"Content-Length: %d\r\n\r\n" % len(body)
        self.upstream.answer = b"HTTP/1.1 %d X\r\n" % status + headers + length + body

    async def names(self, *targets: Target, project: ProjectView = PROJECT) -> list[str]:
        """Return the names that upstreams list, of one upstream if none is given."""
        found = await self.lists.of(targets or [self.target()], project)
        return [name for models in found.values() for name in models]

    async def background(self) -> None:
        """Wait until nothing is being asked."""
        while self.lists._tasks:
            await asyncio.wait(self.lists._tasks)

    @property
    def asked(self) -> int:
        """How many requests the upstream has got and the test has not looked at."""
        return self.upstream.requests.qsize()

    @property
    def counted(self) -> dict[str, int]:
        """How many lists were asked for, by result."""
        return {str(labels[1]): it.value for labels, it in self.metrics.model_lists.items()}


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """A scene in which nothing was asked yet."""
    async with serving() as (upstream, transport):
        made = Scene(upstream, transport)
        yield made
        await made.lists.close()


async def test_the_first_request_gets_the_list_and_later_ones_ask_no_more(scene: Scene) -> None:
    scene.serves(["a", "b"])

    assert await scene.names() == ["a", "b"]
    scene.clock.now = FRESH_SECONDS - 1
    assert await scene.names() == ["a", "b"]

    assert scene.asked == 1
    assert scene.counted == {"success": 1}


async def test_an_upstream_is_asked_as_it_wants_to_be_called(scene: Scene) -> None:
    scene.serves(["a"])
    operations = ((HeaderAction.REPLACE, b"x-team", b"blue"),)

    await scene.names(scene.target(headers=((b"openai-organization", b"org"),), operations=operations))

    head = scene.upstream.requests.get_nowait().decode().lower()
    assert head.startswith("get /v1/models http/1.1\r\n")
    for line in (
        f"authorization: bearer {PROVIDER_KEY.decode()}",
        "x-team: blue",
        "openai-organization: org",
    ):
        assert f"\r\n{line.lower()}\r\n" in head


async def test_an_old_list_is_answered_at_once_and_renewed_in_the_background(scene: Scene) -> None:
    scene.serves(["old"])
    await scene.names()
    scene.upstream.answer = b""  # no answer comes
    scene.clock.now = FRESH_SECONDS

    assert await scene.names() == ["old"]
    assert await scene.names() == ["old"]
    await scene.upstream.requests.get()
    await scene.upstream.requests.get()
    assert scene.asked == 0, "it is being asked already"


async def test_the_renewed_list_replaces_the_old_one(scene: Scene) -> None:
    scene.serves(["old"])
    await scene.names()
    scene.serves(["new"])
    scene.clock.now = FRESH_SECONDS

    assert await scene.names() == ["old"]
    await scene.background()
    assert await scene.names() == ["new"]


@pytest.mark.parametrize(
    ("body", "status", "headers"),
    [
        (b"{}", 500, b""),
        (b'{"data": [{"id": "x"}]}', 401, b""),
        (b"", 307, b"Location: http://127.0.0.1:1/\r\n"),
        (b"<html>", 200, b""),
        (b"\x1f\x8b\x08", 200, b"Content-Encoding: gzip\r\n"),
        (b'{"data": ["' + b"x" * MAX_BYTES + b'"]}', 200, b""),
    ],
    ids=["error", "key", "redirect", "other", "coded", "large"],
)
async def test_a_failure_keeps_the_last_list_and_is_told_once(
    scene: Scene, body: bytes, status: int, headers: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tollkeeper.dataplane")
    scene.serves(["last"])
    await scene.names()
    scene.sends(body, status, headers)
    for now in (FRESH_SECONDS, FRESH_SECONDS + RETRY_SECONDS):
        scene.clock.now = now
        assert await scene.names() == ["last"]
        await scene.background()
    assert await scene.names() == ["last"]
    assert scene.counted == {"success": 1, "failure": 2}
    assert [record.levelname for record in caplog.records] == ["WARNING"]

    scene.serves(["again"])
    scene.clock.now += RETRY_SECONDS
    await scene.names()
    await scene.background()
    assert await scene.names() == ["again"]
    assert "lists its models again" in caplog.records[-1].message


async def test_an_upstream_that_never_listed_makes_nobody_wait_again(scene: Scene) -> None:
    scene.sends(b"{}", 404)
    assert await scene.names() == []

    scene.serves(["a"])
    scene.clock.now = RETRY_SECONDS
    assert await scene.names() == []
    await scene.background()
    assert await scene.names() == ["a"]


async def test_a_first_list_is_not_waited_for_without_end(scene: Scene) -> None:
    hasty = Scene(scene.upstream, scene.transport, patience=0)

    assert await hasty.names() == []

    await scene.upstream.requests.get()
    await hasty.lists.close()
    await scene.upstream.left.get()


async def test_many_at_once_ask_once(scene: Scene) -> None:
    scene.serves(["a"])

    found = await asyncio.gather(*(scene.names() for _ in range(20)))

    assert found == [["a"]] * 20
    assert scene.asked == 1


async def test_a_caller_who_leaves_ends_no_asking(scene: Scene) -> None:
    waiting = asyncio.create_task(scene.names())
    await scene.upstream.requests.get()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    assert len(scene.lists._tasks) == 1


async def test_a_changed_upstream_is_asked_again(scene: Scene) -> None:
    scene.serves(["a"])
    await scene.names()
    scene.serves(["b"])

    changed = scene.target(credential=((b"authorization", b"Bearer other"),))

    assert await scene.names(changed) == ["b"]


async def test_what_is_configured_no_more_is_forgotten(scene: Scene) -> None:
    scene.serves(["a"])
    await scene.names()
    scene.lists.follow(snapshot_of(scene.target()))
    assert (await scene.names(), scene.asked) == (["a"], 1)

    scene.lists.follow(snapshot_of())
    scene.serves(["b"])
    assert await scene.names() == ["b"]


async def test_a_project_with_a_key_of_its_own_sees_what_that_key_may_call(scene: Scene) -> None:
    scene.serves(["operators"])
    assert await scene.names() == ["operators"]
    scene.serves(["projects"])

    assert await scene.names(project=OWN) == ["projects"]
    assert await scene.names() == ["operators"]
    generic = scene.target("generic", provider=Provider.GENERIC)
    scene.serves(["generic"])
    assert await scene.names(generic, project=OWN) == ["generic"]

    heads = [scene.upstream.requests.get_nowait().decode() for _ in range(scene.asked)]
    assert [PROJECT_KEY in head for head in heads] == [False, True, False]


async def test_lists_are_kept_within_bounds(scene: Scene) -> None:
    scene.serves(["a"])
    for number in range(MAX_LISTS + 1):
        await scene.names(scene.target(f"up-{number}"))
    assert len(scene.lists._kept) == MAX_LISTS

    await scene.names(scene.target(f"up-{MAX_LISTS}"))
    assert scene.asked == MAX_LISTS + 1
    await scene.names(scene.target("up-0"))
    assert scene.asked == MAX_LISTS + 2, "the one that was not wanted for the longest time went"


async def test_names_that_no_request_may_give_are_left_out(scene: Scene) -> None:
    longest = "x" * MAX_MODEL_LENGTH
    scene.serves(["", "openai/*", "*", "a\nb", longest + "x", longest, "meta/llama:7b", "größe"])

    assert await scene.names() == [longest, "meta/llama:7b", "größe"]


async def test_a_large_list_is_read(scene: Scene) -> None:
    scene.sends(b'{"data": [{"id": "a", "description": "' + b"x" * 300_000 + b'"}]}')

    assert await scene.names() == ["a"]


async def test_a_list_is_found_where_the_upstream_redirects_to_on_its_own_origin(scene: Scene) -> None:
    scene.serves(["a"])
    moved = b"HTTP/1.1 307 X\r\nLocation: /v1/models/\r\nContent-Length: 0\r\n\r\n"
    scene.upstream.answers[b"/v1/models"] = moved

    assert await scene.names() == ["a"]


async def test_why_there_was_no_connection_is_kept_until_there_is_one(scene: Scene) -> None:
    scene.serves(["a"])
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        await scene.names(scene.target(base_url=url, models_url=f"{url}/models"))
    failure = scene.health.connect_failure_of("open")
    assert failure is not None
    assert (failure.reason, failure.is_over) == (ConnectReason.REFUSED, False)

    assert await scene.names() == ["a"]
    failure = scene.health.connect_failure_of("open")
    assert failure is not None
    assert failure.is_over


async def test_an_upstream_s_own_list_is_had_and_kept_whether_callers_see_it_or_not(scene: Scene) -> None:
    scene.serves(["a", "b"])
    hidden = scene.target(models_url="", list_url=f"{scene.upstream.url}/models")

    assert [list((await scene.lists.of_own(hidden))[0]) for _ in range(2)] == [["a", "b"], ["a", "b"]]
    assert scene.asked == 1

    scene.clock.now = FRESH_SECONDS
    scene.sends(b"", 500)
    found, problem = await scene.lists.of_own(hidden)
    assert (list(found), problem) == (["a", "b"], "status 500")
