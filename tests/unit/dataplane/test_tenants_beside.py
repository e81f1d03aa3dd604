"""What upstreams keep at paths that nobody has listed is its project's, too, in whatever form it is told."""

import gzip
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from tollkeeper_server.dataplane.transport import Outgoing
from tollkeeper_server.snapshot.model import ListenerView
from tollkeeper_server.snapshot.rules import compile_rules

from tests.unit.dataplane.tenants import World, gateway
from tests.unit.dataplane.upstream import Answer

Wrap = Callable[[list[dict[str, Any]]], Any]


class Shelf:
    """An upstream that makes and lists things at any path, in a form of its own. `asked` are its requests."""

    def __init__(self, wrap: Wrap, member: str = "id", prefix: str = "x-") -> None:
        self.wrap = wrap
        self.member = member
        self.prefix = prefix
        self.kept: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []

    async def open(self, request: Outgoing) -> Answer:
        """Make, list, show or delete."""
        path = "/" + unquote(urlsplit(request.url).path).strip("/")
        self.asked.append(f"{request.method} {path}")
        body = request.body if isinstance(request.body, bytes) else b""
        status, answer = self._answer(request.method, path, body)
        return Answer((json.dumps(answer).encode(),), status, [(b"content-type", b"application/json")])

    async def close(self) -> None:
        """Nothing is open."""

    def _answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        below = [one for one in self.kept if one == path or one.startswith((f"{path}/", f"{path}:"))]
        one = re.sub(r"(?<=\d):\w+$", "", path)
        if one in self.kept:
            return 200, self.kept.pop(one) if method == "DELETE" else self.kept[one]
        if method == "POST":
            name = f"{self.prefix}{len(self.kept) + 10}"
            thing = {self.member: name, "says": body.decode()}
            self.kept[f"{path}/{name.rpartition('/')[2]}"] = thing
            return 200, thing
        public = [{self.member: f"{self.prefix}public-1", "says": "public"}]
        return 200, self.wrap([*public, *(self.kept[one] for one in below)])


FORMS: list[tuple[Wrap, str, str]] = [
    (lambda things: things, "id", "x-"),
    (lambda things: {"data": things, "has_more": False, "total": len(things)}, "id", "x-"),
    (lambda things: {"items": things, "count": len(things)}, "id", "x-"),
    (lambda things: {"results": {"page": things}}, "id", "x-"),
    (lambda things: {"jobs": things, "next_page_token": ""}, "job_id", "x-"),
    (lambda things: {"agents": {it["id"]: it for it in things}}, "id", "x-"),
    (lambda things: {"operations": things, "nextPageToken": "t"}, "name", ""),
]
IDS = ["array", "data", "items", "deeper", "job_id", "by id", "names"]


@asynccontextmanager
async def _behind_a_group(store_url: str, shelf: Shelf, *, shares: bool = False) -> AsyncIterator[World]:
    async with gateway(store_url, 1, shares=shares, transport=shelf) as world:
        view = ListenerView("console", "127.0.0.1:1", compile_rules([]), "all", None, 10)
        everything = world.bench.snapshot.default
        assert everything is not None
        world.bench.snapshot = replace(
            world.bench.snapshot, listeners={"console": view}, groups={"all": everything}
        )
        yield world


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """The URL of a store of its own."""
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.mark.parametrize(("wrap", "member", "prefix"), FORMS, ids=IDS)
@pytest.mark.parametrize(
    "path", ["/agents", "/batch/jobs", "/v1beta/things", "/v1/anything", "/v1/audio/voices"]
)
async def test_nobody_sees_or_reaches_what_another_made_at_a_path_that_nobody_listed(
    path: str, wrap: Wrap, member: str, prefix: str, store_url: str
) -> None:
    shelf = Shelf(wrap, member, prefix or f"{path.rpartition('/')[2]}/x-")
    async with _behind_a_group(store_url, shelf) as world:
        made = {}
        for tenant in "ab":
            reply = await world.ask(tenant, "POST", path, {"name": f"mark-of-{tenant}"})
            made[tenant] = json.loads(reply.body)[member]
        for tenant, other in ("ab", "ba"):
            listed = await world.ask(tenant, "GET", path)
            assert listed.status == 200
            assert f"mark-of-{tenant}".encode() in listed.body
            assert b"public" in listed.body
            assert f"mark-of-{other}".encode() not in listed.body
            assert made[other].encode() not in listed.body
            found = await world.ask(tenant, "POST", f"{path}/", {"filter": "x"})
            assert f"mark-of-{other}".encode() not in found.body
        own, others = (made[it].rpartition("/")[2] for it in "ab")
        shelf.asked.clear()
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
            for one in (
                f"{path}/{others}",
                f"{path}/{others};x=y",
                f"{path}//{others}/",
                f"{path}%2F{others}",
            ):
                reply = await world.ask("a", method, one, {"x": 1})
                assert reply.status == 404, (method, one)
        assert shelf.asked == []
        assert (await world.ask("a", "GET", f"{path}/{own}")).status == 200
        assert (await world.ask("a", "DELETE", f"{path}/{own}")).status == 200


@pytest.mark.parametrize("shares", [False, True])
async def test_head_of_a_list_does_not_tell_how_much_others_have(store_url: str, shares: bool) -> None:
    shelf = Shelf(lambda things: things)
    whole = [
        (b"content-type", b"application/json"),
        (b"content-length", b"1234"),
        (b"etag", b'"x"'),
        (b"x-total-count", b"12"),
        (b"x-other", b"y"),
    ]

    async def open_(request: Outgoing) -> Answer:
        return Answer((), 200, whole)

    shelf.open = open_  # type: ignore[method-assign]
    async with _behind_a_group(store_url, shelf, shares=shares) as world:
        for path in ("/agents", "/v1/anything", "/v1/audio/voices"):
            reply = await world.ask("a", "HEAD", path)
            told = {b"content-length", b"etag", b"x-total-count"} & reply.headers.keys()
            assert bool(told) == shares
            assert reply.headers[b"x-other"] == b"y"
            assert (reply.status, reply.body) == (200, b"")


async def test_head_of_a_list_that_the_gateway_makes_tells_of_the_own_one(store_url: str) -> None:
    async with gateway(store_url, 1) as world:
        for tenant in "abbb":
            await world.ask(tenant, "POST", "/v1/vector_stores", {"name": f"mark-of-{tenant}"})
        listed = await world.ask("a", "GET", "/v1/vector_stores")
        told = await world.ask("a", "HEAD", "/v1/vector_stores")
        assert told.headers[b"content-length"] == str(len(listed.body)).encode()


@pytest.mark.parametrize(
    ("wrap", "expected"),
    [
        (lambda things: things, b"[]"),
        (lambda things: {"datasets": things}, b'{"datasets":[]}'),
        (
            lambda things: {"object": "list", "data": things, "total": len(things)},
            b'{"object":"list","data":[],"total":0}',
        ),
        (lambda _: {"nothing": "known"}, None),
    ],
)
async def test_the_first_list_of_a_project_has_the_form_of_its_upstreams(
    wrap: Wrap, expected: bytes | None, store_url: str
) -> None:
    shelf = Shelf(wrap)
    async with _behind_a_group(store_url, shelf) as world:
        await world.ask("b", "POST", "/v1/batches", {"name": "mark-of-b"})
        reply = await world.ask("a", "GET", "/v1/batches")
        of_openai = b'{"object":"list","data":[],"has_more":false,"first_id":null,"last_id":null}'
        assert (reply.status, reply.body) == (200, expected or of_openai)


async def test_where_things_are_shared_a_list_is_passed_on_as_it_came(store_url: str) -> None:
    shelf = Shelf(lambda things: things)
    async with _behind_a_group(store_url, shelf, shares=True) as world:
        for tenant in "ab":
            await world.ask(tenant, "POST", "/agents", {"name": f"mark-of-{tenant}"})
        listed = await world.ask("a", "GET", "/agents")
        assert b"mark-of-b" in listed.body


@pytest.mark.parametrize(
    "body",
    [
        b'{"name":"gpt-4o"}',
        b'{"name":"\\u0067pt-4o"}',
        b'{"name":"GPT-4o"}',
        b"name=gpt%2D4o",
    ],
)
async def test_nobody_takes_a_name_by_having_an_upstream_repeat_it(body: bytes, store_url: str) -> None:
    """Else a project would take a public model from all others."""
    shelf = Shelf(lambda things: things, prefix="gpt-4o")
    async with _behind_a_group(store_url, shelf) as world:
        shelf._answer = lambda *_: (200, {"id": "gpt-4o"})  # type: ignore[method-assign]
        await world.ask("a", "POST", "/pull", body)
        assert (await world.ask("b", "GET", "/pull/gpt-4o")).status == 200


@pytest.mark.parametrize(
    "answer",
    [
        {"id": "gen-12345", "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}},
        {"id": "gen-12345", "meta": {"billed_units": {"input_tokens": 3, "output_tokens": 1}}},
    ],
)
async def test_what_a_model_answered_is_nothing_that_is_kept(answer: object, store_url: str) -> None:
    """Which would be a row of the store for each."""
    shelf = Shelf(lambda things: things)
    async with _behind_a_group(store_url, shelf) as world:
        shelf._answer = lambda *_: (200, answer)  # type: ignore[method-assign]
        await world.ask("a", "POST", "/v2/chat", {"message": "x"})
        assert await world.placements.find_many(["gen-12345"]) == {}


async def test_an_answer_that_cant_be_looked_into_is_passed_on_only_if_it_has_nobodys_things(
    store_url: str,
) -> None:
    shelf = Shelf(lambda things: things)
    async with _behind_a_group(store_url, shelf) as world:
        made = json.loads((await world.ask("b", "POST", "/agents", {"x": 1})).body)["id"]
        for text, status in (
            (b'{"id":"x-77"}\n{"id":"x-78"}\n', 200),
            (f'{{"id":"{made}"}}\n{{}}'.encode(), 502),
        ):

            async def open_(request: Outgoing, text: bytes = text) -> Answer:
                return Answer((text,), 200, [(b"content-type", b"application/x-ndjson")])

            shelf.open = open_  # type: ignore[method-assign]
            reply = await world.ask("a", "GET", "/agents/export")
            assert reply.status == status
            assert made.encode() not in reply.body


async def test_no_part_of_a_list_is_passed_on(store_url: str) -> None:
    """It may be the inside of another's thing, without its id."""
    shelf = Shelf(lambda things: things)
    async with _behind_a_group(store_url, shelf) as world:

        async def open_(request: Outgoing) -> Answer:
            return Answer((b'"says":"mark-of-b"',), 206, [(b"content-type", b"application/json")])

        shelf.open = open_  # type: ignore[method-assign]
        reply = await world.ask("a", "GET", "/agents", headers=((b"range", b"bytes=20-40"),))
        assert reply.status == 502
        assert b"mark-of-b" not in reply.body


@pytest.mark.parametrize("size", [100, 500_000, 3_000_000])
@pytest.mark.parametrize("coded", [True, False])
async def test_a_long_list_is_looked_into_whole_also_with_a_content_coding(
    size: int, coded: bool, store_url: str
) -> None:
    shelf = Shelf(lambda things: [{"id": "x-1", "filler": "A" * size}, *things])
    async with _behind_a_group(store_url, shelf) as world:
        for tenant in "ab":
            await world.ask(tenant, "POST", "/agents", {"name": f"mark-of-{tenant}"})
        whole = shelf.open

        async def open_(request: Outgoing) -> Answer:
            answer = await whole(request)
            (body,) = answer.steps
            assert isinstance(body, bytes)
            body = gzip.compress(body) if coded else body
            pieces = [body[at : at + 50_000] for at in range(0, len(body), 50_000)]
            coding = [(b"content-encoding", b"gzip")] if coded else []
            return Answer(tuple(pieces), 200, [*answer.headers, *coding])

        shelf.open = open_  # type: ignore[method-assign]
        reply = await world.ask("a", "GET", "/agents")
        listed = json.loads(reply.body)
        assert reply.headers[b"content-length"] == str(len(reply.body)).encode()
        assert len(listed[0]["filler"]) == size
        assert b"mark-of-a" in reply.body
        assert b"mark-of-b" not in reply.body


@pytest.mark.parametrize(
    ("text", "status"), [(b'[{"id":"x-7","filler":"%b"}]', 502), (b'{"filler":"%b"}', 200), (b"[%b", 200)]
)
async def test_what_is_too_long_to_be_looked_into_is_passed_on_if_it_shows_no_ids(
    text: bytes, status: int, store_url: str
) -> None:
    shelf = Shelf(lambda things: things)
    body = text % (b"A" * 5_000_000)

    async def open_(request: Outgoing) -> Answer:
        return Answer((body[:70_000], body[70_000:]), 200, [(b"content-type", b"application/json")])

    shelf.open = open_  # type: ignore[method-assign]
    async with _behind_a_group(store_url, shelf) as world:
        reply = await world.ask("a", "GET", "/agents")
        assert reply.status == status
        assert status != 200 or reply.body == body
