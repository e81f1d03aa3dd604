"""Lists of what upstreams keep have a project's own things, and page through all of them."""

import asyncio
import gzip
import json
from collections.abc import Sequence
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.call.attempt import Attempt
from tollkeeper_server.dataplane.call.balance import Balancer
from tollkeeper_server.dataplane.call.dispatch import Dispatcher
from tollkeeper_server.dataplane.call.health import Health
from tollkeeper_server.dataplane.call.kept_lists import KeptLists
from tollkeeper_server.dataplane.call.kept_walk import MAX_PAGE_BYTES, MAX_PAGES
from tollkeeper_server.dataplane.call.retry import RetryBudget
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.plan import Plan
from tollkeeper_server.dataplane.request.authenticate import Identity
from tollkeeper_server.dataplane.request.endpoint import match
from tollkeeper_server.dataplane.request.list_query import page_name
from tollkeeper_server.dataplane.request.peek import NO_PEEK
from tollkeeper_server.dataplane.route import Destination
from tollkeeper_server.dataplane.transport import ConnectError, Outgoing, Transport
from tollkeeper_server.domain.upstream import Provider
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.snapshot.model import Header, Target
from tollkeeper_server.telemetry.metrics import Metrics

from tests.unit.dataplane import keeper
from tests.unit.dataplane.configured import pool, snapshot, target, token
from tests.unit.dataplane.exchanges import exchange
from tests.unit.dataplane.gateway import Kept
from tests.unit.dataplane.keeper import Keeper, KeepersTransport
from tests.unit.dataplane.upstream import Answer, Recorder, ScriptedTransport

ANTHROPIC_HEADERS = ((b"anthropic-version", b"2023-06-01"),)


def _target(name: str, provider: Provider = Provider.GENERIC) -> Target:
    return target(name, provider, base_url=f"http://{name}.test/v1")


async def _holds_nothing(exchange: Exchange, plan: Plan, destination: Destination) -> Destination | None:
    return destination


class World:
    """Lists over upstreams, of which `prj_1` is told only what is its own."""

    def __init__(self, transport: Transport, *targets: Target, seconds: float = 60.0) -> None:
        metrics, health = Metrics(), Health(lambda: 1.0)
        self.begun: list[str] = []
        dispatcher = Dispatcher(
            transport,
            health,
            Balancer(health, Random(1)),
            RetryBudget(lambda: 1.0),
            metrics,
            Random(1),
            self._begin,
            _holds_nothing,
        )
        self.placements = Kept()
        self.lists = KeptLists(dispatcher, self.placements, seconds=seconds)
        self.targets = {it.name: it for it in targets}

    def _begin(self, caller: Exchange) -> bool:
        self.begun.append(caller.event_id)
        return True

    def keep(self, thing_id: str, upstream: str, project: str = "prj_1") -> None:
        """Say whose a thing is."""
        self.placements.upstreams[thing_id] = upstream
        self.placements.projects[thing_id] = project

    async def ask(
        self, query: str = "", path: str = "/v1/vector_stores", headers: Sequence[Header] = ()
    ) -> bytes | Attempt:
        """Ask for a list."""
        configuration = snapshot(targets=self.targets)
        asked = exchange(path, "GET", headers, query=query.encode(), configuration=configuration)
        identity = Identity(token(), configuration.projects["prj_1"])
        matched = match(path.encode(), "GET")
        plan = Plan(matched, identity, NO_PEEK, b"", Destination(pool()), remembers=True)
        async with asyncio.timeout(20):
            return await self.lists.answer(asked, plan)

    async def page(self, query: str = "", **asked: Any) -> dict[str, Any]:
        """Ask for a list; return the page."""
        answer = await self.ask(query, **asked)
        assert isinstance(answer, bytes), answer.incoming.status
        page: dict[str, Any] = json.loads(answer)
        return page

    async def ids(self, query: str = "", **asked: Any) -> list[str]:
        """Ask for a list; return its ids."""
        return [thing["id"] for thing in (await self.page(query, **asked))["data"]]


class KeptWorld(World):
    """The same with keepers, in which projects have made things."""

    def __init__(self, *names: str, path: str = "/v1/vector_stores") -> None:
        self.path = path
        self.keepers = {name: Keeper(name, start=1000 * at) for at, name in enumerate(names)}
        super().__init__(KeepersTransport(**self.keepers), *map(_target, names))
        self.own: list[tuple[int, str, int, str]] = []  # time, upstream, number there, id

    def make(self, upstream: str, project: str = "prj_1") -> str:
        """Make a thing; return its id."""
        there = self.keepers[upstream]
        there.time = max(one.time for one in self.keepers.values())
        _, answer = there.handle("POST", self.path, {}, b"{}")
        made = json.loads(answer)
        self.keep(made["id"], upstream, project)
        if project == "prj_1":
            self.own.append((made["created_at"], upstream, len(self.own), made["id"]))
        return str(made["id"])

    @property
    def newest_first(self) -> list[str]:
        """The own ids in the order of a list: of things of one time, those of one upstream together."""
        ordered = sorted(self.own, key=lambda it: (-it[0], it[1], -it[2]))
        return [one for *_, one in ordered]

    @property
    def oldest_first(self) -> list[str]:
        """The same for `order=asc`."""
        return [one for *_, one in sorted(self.own, key=lambda it: (it[0], it[1], it[2]))]


_makings = st.lists(
    st.tuples(st.sampled_from(["one", "two"]), st.sampled_from(["prj_1", "prj_2"])), max_size=30
)


@given(_makings, st.integers(1, 12), st.booleans())
async def test_a_project_pages_through_its_own_things_and_no_others(
    makings: list[tuple[str, str]], limit: int, ascending: bool
) -> None:
    """Forwards by `after`, by the ids that SDKs take, and back again by `before`; nothing twice."""
    world = KeptWorld("one", "two")
    for upstream, project in makings:
        world.make(upstream, project)
    wanted = world.oldest_first if ascending else world.newest_first
    order = "&order=asc" if ascending else ""

    seen: list[str] = []
    page = await world.page(f"limit={limit}{order}")
    while True:
        ids = [thing["id"] for thing in page["data"]]
        seen += ids
        assert page["first_id"] == (ids[0] if ids else None)
        assert page["last_id"] == (ids[-1] if ids else None)
        assert page["has_more"] == (len(seen) < len(wanted))
        assert len(ids) == min(limit, len(wanted) - len(seen) + len(ids))
        if not page["has_more"]:
            break
        page = await world.page(f"limit={limit}{order}&after={page['last_id']}")
    assert seen == wanted

    back: list[str] = []
    while wanted and (not back or page["has_more"]):
        page = await world.page(f"limit={limit}{order}&before={back[0] if back else wanted[-1]}")
        back = [thing["id"] for thing in page["data"]] + back
        if not back:
            break
    assert back == wanted[:-1]


@given(_makings, st.integers(1, 12))
async def test_pages_by_name_are_the_same(makings: list[tuple[str, str]], limit: int) -> None:
    world = KeptWorld("one", "two")
    for upstream, project in makings:
        world.make(upstream, project)
    seen: list[str] = []
    query = f"limit={limit}"
    while True:
        page = await world.page(query)
        seen += [thing["id"] for thing in page["data"]]
        if not page["has_more"]:
            break
        query = f"limit={limit}&page={page_name(page['last_id'])}"
    assert seen == world.newest_first


async def test_own_things_are_found_among_very_many() -> None:
    world = KeptWorld("one")
    first = world.make("one")
    for _ in range(1500):
        world.make("one", "prj_2")
    last = world.make("one")
    page = await world.page()
    assert [thing["id"] for thing in page["data"]] == [last, first]
    assert page["has_more"] is False
    assert page.keys() == {"object", "data", "first_id", "last_id", "has_more"}


async def test_a_project_that_keeps_nothing_has_an_empty_list_and_nobody_is_asked() -> None:
    world = KeptWorld("one")
    world.make("one", "prj_2")
    assert await world.page("order=asc") == {
        "object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False
    }  # fmt: skip
    assert "object" not in await world.page(path="/v1/messages/batches")
    assert [it for it in world.keepers["one"].asked if it.startswith("GET")] == []


async def test_what_is_far_behind_others_things_is_no_empty_page_that_has_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An empty page would end the SDK's paging; what was found is passed on, and the rest asked for later."""
    monkeypatch.setattr(keeper, "MAX_PAGE", 5)
    world = KeptWorld("one")
    first = world.make("one")
    for _ in range(5 * MAX_PAGES + 5):
        world.make("one", "prj_2")
    with pytest.raises(TollkeeperError) as refused:
        await world.ask()
    assert refused.value.reason is Reason.UPSTREAM_TIMEOUT
    last = world.make("one")
    page = await world.page()
    assert ([thing["id"] for thing in page["data"]], page["has_more"]) == ([last], True)
    assert await world.ids("order=asc&limit=1") == [first]


async def test_what_a_list_tells_of_own_things_is_learnt_and_nothing_else() -> None:
    """A batch's output is made by the upstream: who polls by the list may read it."""
    own = {**OWN, "output_file_id": "file-out", "metadata": {"output_file_id": "file-guessed"}}
    other = {**OTHER, "output_file_id": "file-of-others"}
    world = Scripted(_answer({"data": [own, other], "has_more": False}))
    await world.page(path="/v1/batches")
    assert world.placements.upstreams == {"own-one": "one", "file-out": "one"}
    assert world.placements.projects["file-out"] == "prj_1"


@pytest.mark.parametrize("cursor", ["after={}", "before={}", "after_id={}", "before_id={}", "page={}"])
async def test_nothing_is_told_of_others_things_by_cursors(cursor: str) -> None:
    """A thing of another project's is as unknown as one that does not exist."""
    world = KeptWorld("one")
    world.make("one")
    others = world.make("one", "prj_2")
    said = []
    for one in (others, "vs_999999"):
        name = page_name(one) if cursor.startswith("page") else one
        with pytest.raises(TollkeeperError) as refused:
            await world.ask(cursor.format(name))
        said.append((refused.value.reason, refused.value.message.replace(one, "ID")))
    assert said[0] == said[1]
    assert said[0][0] is Reason.NOT_FOUND
    assert [it for it in world.keepers["one"].asked if it.startswith("GET")] == []


async def test_what_another_upstream_keeps_under_the_same_id_is_not_the_projects() -> None:
    world = KeptWorld("one", "two")
    world.keepers["two"].number = 0  # both give the same ids
    one = world.make("one")
    other = world.make("one")
    _, answer = world.keepers["two"].handle("POST", world.path, {}, b"{}")
    assert json.loads(answer)["id"] == one
    world.keep("vs_000009", "two")  # something else, so that it is asked
    page = await world.page()
    assert [thing["id"] for thing in page["data"]] == [other, one]


async def test_filters_reach_the_upstream_and_limits_do_not() -> None:
    world = KeptWorld("one")
    world.make("one")
    await world.page("limit=3&metadata[a]=b%26c&order=asc&purpose=x")
    assert world.keepers["one"].asked[-1] == (
        "GET /v1/vector_stores?metadata[a]=b%26c&order=asc&purpose=x&limit=4"
    )


async def test_upstreams_of_the_callers_api_are_asked_if_there_are_any() -> None:
    keepers = {name: Keeper(name, start=1000 * at) for at, name in enumerate(("ant", "oai"))}
    world = World(
        KeepersTransport(**keepers), _target("ant", Provider.ANTHROPIC), _target("oai", Provider.OPENAI)
    )
    ids = {}
    for name, there in keepers.items():
        ids[name] = json.loads(there.handle("POST", "/v1/files", {}, b"{}")[1])["id"]
        world.keep(ids[name], name)
    assert await world.ids(path="/v1/files") == [ids["oai"]]
    assert await world.ids(path="/v1/files", headers=ANTHROPIC_HEADERS) == [ids["ant"]]
    assert keepers["ant"].asked[-1].startswith("GET /v1/files?")
    del world.targets["oai"]
    assert await world.ids(path="/v1/files") == [ids["ant"]]


async def test_a_cursor_of_an_upstream_that_is_not_listed_is_none() -> None:
    """A client that pages on by it would begin again, and never end."""
    world = KeptWorld("one", "two")
    world.make("one")
    last = world.make("two")
    del world.targets["two"]
    for query in (f"after={last}", f"before={last}", f"page={page_name(last)}"):
        with pytest.raises(TollkeeperError) as refused:
            await world.ask(query)
        assert refused.value.reason is Reason.NOT_FOUND


class Scripted(World):
    """Lists over one upstream by script."""

    def __init__(
        self, *answers: Answer | BaseException, others: Sequence[Answer] = (), **fields: Any
    ) -> None:
        self.transport = ScriptedTransport(Recorder())
        self.transport.answers = {"one.test": [*answers], "two.test": [*others]}
        targets = [_target("one"), *([_target("two")] if others else [])]
        super().__init__(self.transport, *targets, **fields)
        for name in self.targets:
            self.keep(f"own-{name}", name)


def _answer(document: object, status: int = 200, **headers: str) -> Answer:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Answer((body,), status, [(b"content-type", b"application/json"), *pairs])


OWN = {"id": "own-one", "created_at": 1}
OTHER = {"id": "canary-of-others", "created_at": 2}


@pytest.mark.parametrize(
    "answer",
    [
        _answer({"files": [OWN, OTHER], "others": [OTHER]}),
        _answer({"data": {"own-one": OWN, "x": OTHER}}),
        _answer({"data": [OWN, "canary-of-others"]}),
        _answer(OTHER),
        _answer(b"id,name\ncanary-of-others,x\n"),
        _answer(b""),
        _answer(b"", 204),
        _answer({"data": [OTHER]}, content_encoding="gzip"),
        _answer(b"canary-of-others", content_encoding="unknown"),
        _answer({"data": [OTHER], "has_more": True}),
        _answer(b'{"data":[' + b"1," * MAX_PAGE_BYTES + b"1]}"),
    ],
)
async def test_an_answer_that_is_no_list_is_not_passed_on(answer: Answer) -> None:
    world = Scripted(answer)
    with pytest.raises(TollkeeperError) as refused:
        await world.ask()
    assert refused.value.reason is Reason.UPSTREAM_INVALID
    assert "canary" not in refused.value.message


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ([OTHER, OWN], [OWN]),
        ({"files": [OWN, OTHER]}, {"files": [OWN]}),
        ({"items": [OTHER]}, {"items": []}),
        ({"results": [OTHER, OWN], "count": 2}, {"results": [OWN]}),
    ],
)
async def test_lists_of_other_forms_have_own_things_and_the_form_that_the_upstream_gives(
    answer: object, shown: object
) -> None:
    body = await Scripted(_answer(answer)).ask()
    assert isinstance(body, bytes)
    assert json.loads(body) == shown


async def test_a_list_with_a_content_coding_is_read() -> None:
    body = gzip.compress(json.dumps({"data": [OWN, OTHER]}).encode())
    world = Scripted(_answer(body, content_encoding="gzip"))
    assert await world.page() == {"data": [OWN]}


async def test_a_list_without_pages_is_passed_on_whole() -> None:
    things = [{"id": f"t-{number}"} for number in range(300)]
    world = Scripted(_answer({"object": "list", "data": [*things, OTHER]}))
    for thing in things:
        world.keep(thing["id"], "one")
    assert await world.page() == {"object": "list", "data": things}
    assert len((await world.page("limit=7"))["data"]) == 7


async def test_pages_that_the_upstream_names_are_followed_and_named_anew() -> None:
    """Its own names, which may tell of others' things, stay here."""
    many = [{"id": f"t-{number}"} for number in range(4)]
    first = _answer({"data": [many[0], OTHER], "next_page": "page_canary1"})
    second = _answer({"data": [OTHER, *many[1:]], "next_page": None})
    world = Scripted(first, second)
    for thing in many:
        world.keep(thing["id"], "one")

    page = await world.page("limit=2", headers=ANTHROPIC_HEADERS, path="/v1/files")

    assert page == {"data": many[:2], "next_page": page_name("t-1")}
    assert [parse_qs(request.url.partition("?")[2]) for request in world.transport.requests] == [
        {"limit": ["3"]}, {"limit": ["1000"], "page": ["page_canary1"]}
    ]  # fmt: skip
    world.transport.answers["one.test"] = [first, second]
    page = await world.page(f"limit=2&page={page['next_page']}", headers=ANTHROPIC_HEADERS, path="/v1/files")
    assert page == {"data": many[2:], "next_page": None}


class _Numbered(KeepersTransport):
    """Lists by numbered pages, as Mistral does; `largest` is the most things of a page."""

    largest = 100

    async def open(self, request: Outgoing) -> Answer:
        asked = parse_qs(urlsplit(request.url).query)
        (keeper,) = self.keepers.values()
        size = min(int(asked["page_size"][0]), self.largest)
        start = int(asked["page"][0]) * size
        things = [*keeper.kept.values()][::-1]
        return _answer({"object": "list", "data": things[start : start + size], "total": len(things)})


@pytest.mark.parametrize("largest", [100, 30])
@pytest.mark.parametrize("upstream", [_Numbered, KeepersTransport])
async def test_pages_by_number_are_a_projects_own(upstream: type[KeepersTransport], largest: int) -> None:
    world = KeptWorld("one")
    transport = upstream(**world.keepers)
    if isinstance(transport, _Numbered):
        transport.largest = largest
    numbered = World(transport, _target("one"))
    for number in range(260):
        project = "prj_1" if number % 20 == 0 else "prj_2"
        numbered.keep(world.make("one", project), "one", project)
    first, second, third = [await numbered.page(f"page={number}&page_size=8") for number in range(3)]
    ids = [[thing["id"] for thing in page["data"]] for page in (first, second, third)]
    assert ids == [world.newest_first[:8], world.newest_first[8:], []]
    assert [page["total"] for page in (first, second, third)] == [13, 13, 13]


async def test_a_page_that_is_too_large_is_asked_for_in_smaller_ones() -> None:
    large = _answer({"data": [{"id": "x" * MAX_PAGE_BYTES}], "has_more": True})
    world = Scripted(large, _answer({"data": [OWN], "has_more": False}))
    assert await world.ids() == ["own-one"]
    assert [it.url.partition("?")[2] for it in world.transport.requests] == ["limit=21", "limit=4"]


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
async def test_an_error_of_the_only_upstream_is_the_answer(status: int) -> None:
    answer = await Scripted(_answer({"error": {"message": "no"}}, status)).ask()
    assert isinstance(answer, Attempt)
    assert answer.incoming.status == status


async def test_an_upstream_without_such_a_list_is_left_out_and_a_failure_is_not() -> None:
    """A list must not look whole that is not."""
    own = _answer({"data": [{"id": "own-two"}], "has_more": False})
    world = Scripted(_answer({}, 404), others=[own])
    assert await world.ids() == ["own-two"]
    failed = await Scripted(_answer({}, 500), others=[own]).ask()
    assert isinstance(failed, Attempt)
    with pytest.raises(TollkeeperError) as refused:
        await Scripted(ConnectError("refused"), others=[own]).ask()
    assert refused.value.reason is Reason.UPSTREAM_UNREACHABLE
    none = await Scripted(_answer({}, 404), others=[_answer({}, 405)]).ask()
    assert isinstance(none, Attempt)
    assert none.incoming.status == 404


async def test_what_takes_too_long_ends_with_what_was_found() -> None:
    never = asyncio.Event()
    first = _answer({"data": [OWN], "has_more": True})
    world = Scripted(first, Answer((never,), 200), seconds=0.05)
    page = await world.page()
    assert (page["data"], page["has_more"]) == ([OWN], True)
    with pytest.raises(TollkeeperError) as refused:
        await Scripted(Answer((never,), 200), seconds=0.05).ask()
    assert refused.value.reason is Reason.UPSTREAM_TIMEOUT


async def test_callers_headers_go_up_but_for_those_of_a_body_and_of_answers_they_have() -> None:
    world = Scripted(_answer({"data": []}))
    headers = (
        (b"openai-beta", b"assistants=v2"),
        (b"if-none-match", b'"x"'),
        (b"range", b"bytes=0-1"),
        (b"content-type", b"application/json"),
        (b"accept-encoding", b"gzip"),
    )
    await world.ask(headers=headers)
    (request,) = world.transport.requests
    sent = dict(request.headers)
    assert sent[b"openai-beta"] == b"assistants=v2"
    assert sent[b"accept-encoding"] == b"identity"
    assert b"authorization" in sent
    assert sent.keys().isdisjoint({b"if-none-match", b"range", b"content-type"})
    assert len(world.begun) == 1
