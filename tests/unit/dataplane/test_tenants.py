"""Nobody sees, lists, changes, deletes, continues or guesses what another project keeps.

Generated from the table of endpoints: one that keeps things fails here until it says how they are made. Each
is tried in every way that there is, by the project that made the thing, by another one, and for a thing that
does not exist: of those two the answers are the same.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tollkeeper_server.dataplane.request import endpoint as table
from tollkeeper_server.snapshot.model import Header, ListenerView
from tollkeeper_server.snapshot.rules import compile_rules

from tests.unit.dataplane.caller import Reply
from tests.unit.dataplane.tenants import World, gateway

MARK = {tenant: f"mark-of-{tenant}" for tenant in ("a", "b")}
FORM = (b"content-type", b"multipart/form-data; boundary=x")
ANTHROPIC: tuple[Header, ...] = ((b"anthropic-version", b"2023-06-01"),)


@dataclass(frozen=True)
class Kind:
    """How a kind of thing is made and used.

    `root` is where it is made and listed, `body` what is sent. `below` are the parts that are read below it
    and `does` what is posted there, with their bodies. `listed`: there is a list of all. `changes`: it is
    changed by a POST to it. `is_form`: it is made of a form.
    """

    root: str
    body: dict[str, Any] = field(default_factory=dict)
    below: tuple[str, ...] = ()
    does: tuple[tuple[str, dict[str, Any]], ...] = ()
    listed: bool = True
    changes: bool = True
    is_form: bool = False
    headers: tuple[Header, ...] = ()


ITEMS = {"items": [{"type": "message", "role": "user", "content": "x"}]}
KINDS = {
    "assistants": Kind("/assistants", {"model": "gpt-4o"}),
    "batches": Kind("/batches", {"endpoint": "/v1/responses"}, does=(("/cancel", {}),)),
    "chat_completions": Kind(
        "/chat/completions", {"model": "gpt-4o", "messages": [], "store": True}, below=("/messages",)
    ),
    "containers": Kind("/containers", below=("/files",), does=(("/files", {}),)),
    "conversations": Kind("/conversations", below=("/items",), does=(("/items", ITEMS),), listed=False),
    "evals": Kind("/evals", {"model": "gpt-4o"}, below=("/runs",), does=(("/runs", {"model": "gpt-4o"}),)),
    "files": Kind("/files", below=("/content",), is_form=True),
    "fine_tunes": Kind("/fine-tunes", {"model": "gpt-4o"}, below=("/events",), does=(("/cancel", {}),)),
    "fine_tuning": Kind(
        "/fine_tuning/jobs",
        {"model": "gpt-4o"},
        below=("/events", "/checkpoints"),
        does=(("/cancel", {}), ("/pause", {}), ("/resume", {})),
    ),
    "messages_batches": Kind(
        "/messages/batches",
        {"requests": [{"custom_id": "x", "params": {"model": "claude", "messages": []}}]},
        below=("/results",),
        does=(("/cancel", {}),),
        headers=ANTHROPIC,
    ),
    "responses": Kind(
        "/responses", {"model": "gpt-4o", "input": "x"}, below=("/input_items",), does=(("/cancel", {}),),
        listed=False,
    ),
    "threads": Kind(
        "/threads",
        below=("/messages", "/runs"),
        does=(("/messages", {"role": "user", "content": "x"}), ("/runs", {"model": "gpt-4o"})),
        listed=False,
    ),
    "uploads": Kind(
        "/uploads", {"filename": "x"}, does=(("/parts", {}), ("/complete", {}), ("/cancel", {})), listed=False
    ),
    "vector_stores": Kind(
        "/vector_stores",
        below=("/files", "/file_batches"),
        does=(("/search", {"query": "x"}), ("/files", {}), ("/file_batches", {})),
    ),
    "videos": Kind(
        "/videos",
        {"model": "sora"},
        below=("/content",),
        does=(("/remix", {"model": "sora", "prompt": "x"}),),
    ),
    # These are of the endpoint `other`.
    "agents": Kind("/agents", {"model": {"id": "gpt-4o"}}, headers=ANTHROPIC),
    "environments": Kind("/environments", headers=ANTHROPIC),
    "memory_stores": Kind("/memory_stores", headers=ANTHROPIC),
    "sessions": Kind("/sessions", below=("/events",), does=(("/events", {}),), headers=ANTHROPIC),
    "skills": Kind("/skills", below=("/versions",), does=(("/versions", {}),)),
    "vaults": Kind("/vaults", headers=ANTHROPIC),
}  # fmt: skip
"""By the endpoint's name in the table, or by the first segment of the path."""
FREE = {"agents", "skills"}
"""Where a reference may also be a word of the upstream's own, which is as unknown as what nobody has made."""
BESIDE_TABLE = {"agents", "environments", "memory_stores", "sessions", "skills", "vaults"}

# Where other requests refer to a thing, by the endpoint that keeps it: the id stands for `ID`.
REFERENCES: dict[str, list[tuple[str, Any]]] = {
    "assistants": [
        ("/threads/runs", {"assistant_id": "ID", "model": "gpt-4o"}),
        ("/threads/runs", {"assistant_id": "ID"}),
    ],
    "batches": [],
    "chat_completions": [],
    "containers": [
        ("/responses", {"model": "gpt-4o", "tools": [{"type": "code_interpreter", "container": "ID"}]}),
        ("/messages", {"model": "claude", "messages": [], "max_tokens": 1, "container": "ID"}),
        ("/messages", {"model": "claude", "messages": [], "max_tokens": 1, "container": {"id": "ID"}}),
    ],
    "conversations": [
        ("/responses", {"model": "gpt-4o", "input": "x", "conversation": "ID"}),
        ("/responses", {"model": "gpt-4o", "input": "x", "conversation": {"id": "ID"}}),
        ("/responses", {"model": "gpt-4o", "input": "x", "Conversation": "ID"}),
    ],
    "evals": [],
    "files": [
        ("/batches", {"input_file_id": "ID", "endpoint": "/v1/responses"}),
        ("/batches", {"input_\u0066ile_id": "ID", "endpoint": "/v1/responses"}),
        ("/fine_tuning/jobs", {"model": "gpt-4o", "training_file": "ID"}),
        ("/fine_tuning/jobs", {"model": "gpt-4o", "validation_file": "ID"}),
        ("/vector_stores", {"file_ids": ["ID"]}),
        ("/containers", {"file_ids": ["ID"]}),
        ("/assistants", {"model": "gpt-4o", "tool_resources": {"code_interpreter": {"file_ids": ["ID"]}}}),
        ("/threads", {"messages": [{"role": "user", "content": "x", "attachments": [{"file_id": "ID"}]}]}),
        ("/responses", {"model": "gpt-4o", "input": [{"role": "user", "content": [
            {"type": "input_file", "file_id": "ID"}]}]}),
        ("/chat/completions", {"model": "gpt-4o", "messages": [{"role": "user", "content": [
            {"type": "file", "file": {"file_id": "ID"}}]}]}),
        ("/messages", {"model": "claude", "max_tokens": 1, "messages": [{"role": "user", "content": [
            {"type": "document", "source": {"type": "file", "file_id": "ID"}}]}]}),
        ("/messages/batches", {"requests": [{"custom_id": "x", "params": {
            "model": "claude", "max_tokens": 1, "messages": [{"role": "user", "content": [
                {"type": "document", "source": {"type": "file", "file_id": "ID"}}]}]}}]}),
    ],
    "fine_tunes": [],
    "fine_tuning": [],
    "messages_batches": [],
    "responses": [
        ("/responses", {"model": "gpt-4o", "input": "x", "previous_response_id": "ID"}),
        ("/responses", {"model": "gpt-4o", "input": "x", "previous_response_id": "nobody",
                        "Previous_Response_Id": "ID"}),
    ],
    "threads": [("/threads/ID/runs", {"assistant_id": "nobody", "model": "gpt-4o"})],
    "uploads": [],
    "vector_stores": [
        ("/responses", {"model": "gpt-4o", "tools": [{"type": "file_search", "vector_store_ids": ["ID"]}]}),
        ("/assistants", {"model": "gpt-4o", "tool_resources": {"file_search": {"vector_store_ids": ["ID"]}}}),
    ],
    "agents": [("/sessions", {"agent": "ID"}), ("/sessions", {"agent": {"type": "agent", "id": "ID"}})],
    "environments": [("/sessions", {"environment_id": "ID"})],
    "memory_stores": [],
    "sessions": [],
    "skills": [("/messages", {"model": "claude", "messages": [], "max_tokens": 1, "container": {
        "skills": [{"type": "custom", "skill_id": "ID"}]}})],
    "vaults": [("/sessions", {"vault_ids": ["ID"]})],
    "videos": [("/videos/edits", {"model": "sora", "video": {"id": "ID"}})],
}  # fmt: skip


def _keeping() -> set[str]:
    endpoints = {*table._EXACT.values(), *table._FAMILIES.values()}
    return {it.name for it in endpoints if it.keeps} | {"chat_completions"}


def test_every_endpoint_that_keeps_is_tried() -> None:
    assert set(KINDS) - BESIDE_TABLE == _keeping()
    assert set(REFERENCES) == set(KINDS)


def _spellings(path: str) -> Iterator[str]:
    """Yield a path below /v1 in the forms that servers take for the same."""
    yield f"/v1{path}"
    yield path
    yield f"/v1/{path}"
    yield f"/v1{path}/"
    yield f"/v1{path.replace('/', '//')}"
    yield "/v1" + re.sub(r"[a-z]", lambda it: f"%{ord(it[0]):02x}", path, count=1)
    yield f"/openai{path}"
    head, _, tail = path[1:].partition("/")
    yield f"/v1/{head.upper()}/{tail}".rstrip("/")
    yield f"/v1/{head};x=y/{tail}".rstrip("/")
    yield f"/v1/{head}%2F{tail}"
    yield f"/v1/{head}%252F{tail}"
    yield f"/v1/{head};%2F/{tail}".rstrip("/")


def _ways(kind: Kind, thing: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield each way to use one thing: the method, the path and the body. The last ones delete it."""
    one = f"{kind.root}/{thing}"
    yield from (("GET", path, {}) for path in _spellings(one))
    yield "GET", f"/v1{kind.root}/" + "".join(f"%{ord(it):02X}" for it in thing), {}
    yield "HEAD", f"/v1{one}", {}
    yield from (("GET", f"/v1{one}{part}", {}) for part in kind.below)
    yield from (("HEAD", f"/v1{one}{part}", {}) for part in kind.below)
    yield from (("GET", path, {}) for part in kind.below for path in _spellings(one + part))
    yield from (("POST", f"/v1{one}{part}", body) for part, body in kind.does)
    yield from (("POST", path, {"model": kind.body.get("model", "gpt-4o")}) for path in _spellings(one))
    yield "PATCH", f"/v1{one}", {"model": "gpt-4o"}
    yield "PUT", f"/v1{one}", {"model": "gpt-4o"}
    yield from (("DELETE", path, {}) for path in _spellings(one))


async def _make(world: World, tenant: str, kind: Kind) -> str:
    mark = MARK[tenant]
    if kind.is_form:
        body: Any = (
            b'--x\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
            b'--x\r\ncontent-disposition: form-data; name="file"; filename="x.jsonl"\r\n\r\n'
            b'{"url":"/v1/responses","body":{"model":"gpt-4o","input":"' + mark.encode() + b'"}}\r\n--x--\r\n'
        )
        headers: tuple[Header, ...] = (FORM, *kind.headers)
    else:
        body, headers = kind.body | {"metadata": {"mark": mark}}, kind.headers
    made = await world.ask(tenant, "POST", f"/v1{kind.root}", body, headers)
    assert made.status == 200, made.body
    document = json.loads(made.body)
    assert mark in document["made_by"]
    return str(document["id"])


def _said(reply: Reply, thing: str) -> tuple[int, bytes]:
    """Return what an answer says, whatever the thing and the request are."""
    said = re.sub(rb"req_\w+", b"", reply.body).replace(thing.encode(), b"ID")
    return reply.status, said


@pytest.fixture(params=["sqlite"])
def store_url(tmp_path: Path) -> str:
    """The URL of a store of its own."""
    return f"sqlite:///{tmp_path / 'store.db'}"


async def _try_all(world: World, name: str) -> None:
    kind = KINDS[name]
    thing = await _make(world, "a", kind)
    others = await _make(world, "b", kind)
    nothing = re.sub(r"\d+$", "999999", thing)
    before = world.kept_by("a")
    assert any(path.endswith(thing) for path in before)

    for (method, path, body), (_, unknown, _) in zip(_ways(kind, thing), _ways(kind, nothing), strict=True):
        way = f"{method} {path}"
        answers = []
        for asked in (path, unknown):
            reply = await world.ask("b", method, asked, body | {"metadata": {"x": MARK["b"]}}, kind.headers)
            answers.append(_said(reply, thing if asked is path else nothing))
            assert reply.status in {400, 404, 405}, (way, reply.status, reply.body)
            assert MARK["a"].encode() not in reply.body, way
        assert answers[0] == answers[1], way
        assert world.kept_by("a") == before, way

    for path, body in REFERENCES[name]:
        answers = []
        for one in (thing, nothing):
            sent = json.loads(json.dumps(body).replace("ID", one))
            reply = await world.ask("b", "POST", f"/v1{path.replace('ID', one)}", sent, kind.headers)
            answers.append(_said(reply, one))
            assert reply.status in {400, 404} or (one is nothing and name in FREE), (path, sent, reply.body)
            assert MARK["a"].encode() not in reply.body, (path, sent)
        assert answers[0] == answers[1] or name in FREE, (path, body)
    assert world.kept_by("a") == before

    for method in ("GET", "HEAD"):
        for path in _spellings(kind.root):
            if name in BESIDE_TABLE and not path.startswith("/v1"):
                continue  # what the table does not have is reached with /v1 alone
            reply = await world.ask("b", method, path, b"", kind.headers)
            assert MARK["a"].encode() not in reply.body, path
            assert thing.encode() not in reply.body, path
            if kind.listed and method == "GET" and "%25" not in path:  # which servers may take for none
                assert reply.status == 200, (path, reply.body)
                ids = {it["id"] for it in json.loads(reply.body)["data"]}
                assert others in ids, path
                assert not ids & {it.rpartition("/")[2] for it in before}, path
    override = (*kind.headers, (b"x-http-method-override", b"GET"))
    reply = await world.ask("b", "POST", f"/v1{kind.root}", kind.body, override)
    assert MARK["a"].encode() not in reply.body
    for query in (f"after={thing}", f"before={thing}", f"after_id={thing}", f"before_id={thing}"):
        reply = await world.ask("b", "GET", f"/v1{kind.root}", b"", kind.headers, query)
        unknown_reply = await world.ask(
            "b", "GET", f"/v1{kind.root}", b"", kind.headers, query.replace(thing, nothing)
        )
        assert reply.status in {400, 404}
        assert _said(reply, thing) == _said(unknown_reply, nothing)
    for method in ("DELETE", "PUT", "PATCH"):
        reply = await world.ask("b", method, f"/v1{kind.root}", {"model": "gpt-4o"}, kind.headers)
        assert (reply.status, reply.headers[b"allow"]) == (405, b"GET, HEAD, OPTIONS, POST")
    assert world.kept_by("a") == before

    await _use_all(world, "a", kind, name, thing)


async def _use_all(world: World, tenant: str, kind: Kind, name: str, thing: str) -> None:
    """Use a thing in every way that its endpoint has; then delete it."""
    mark = MARK["a"].encode()
    one = f"/v1{kind.root}/{thing}"
    assert mark in (await world.ask(tenant, "GET", one, b"", kind.headers)).body
    if kind.listed:
        listed = json.loads((await world.ask(tenant, "GET", f"/v1{kind.root}", b"", kind.headers)).body)
        assert thing in [it["id"] for it in listed["data"]]
    for part in kind.below:
        assert (await world.ask(tenant, "GET", one + part, b"", kind.headers)).status == 200, part
    for part, body in kind.does:
        reply = await world.ask(tenant, "POST", one + part, body, kind.headers)
        assert reply.status == 200, (part, reply.body)
    for path, body in REFERENCES[name]:
        if "nobody" in json.dumps(body):
            continue
        sent = json.loads(json.dumps(body).replace("ID", thing))
        reply = await world.ask(tenant, "POST", f"/v1{path.replace('ID', thing)}", sent, kind.headers)
        assert reply.status == 200, (path, sent, reply.body)
        assert mark in reply.body, (path, sent)
    if kind.changes and not kind.is_form:
        reply = await world.ask(
            tenant, "POST", one, {"model": kind.body.get("model", "gpt-4o")}, kind.headers
        )
        assert json.loads(reply.body)["changes"] >= 1
    assert (await world.ask(tenant, "DELETE", one, b"", kind.headers)).status == 200
    assert (await world.ask(tenant, "GET", one, b"", kind.headers)).status == 404


@pytest.mark.parametrize("upstreams", [1, 2])
@pytest.mark.parametrize("name", sorted(KINDS))
async def test_what_one_project_keeps_another_does_not_reach(
    name: str, upstreams: int, store_url: str
) -> None:
    async with gateway(store_url, upstreams) as world:
        await _try_all(world, name)


@pytest.mark.mongo
async def test_nor_with_the_other_store(mongo_url: str) -> None:
    async with gateway(mongo_url, 2) as world:
        for name in sorted(KINDS):
            await _try_all(world, name)


@pytest.mark.parametrize("upstreams", [1, 2])
@pytest.mark.parametrize("name", sorted(KINDS))
async def test_where_things_are_shared_another_project_does_all_of_it(
    name: str, upstreams: int, store_url: str
) -> None:
    async with gateway(store_url, upstreams, shares=True) as world:
        kind = KINDS[name]
        thing = await _make(world, "a", kind)
        if upstreams == 1:
            await _use_all(world, "b", kind, name, thing)
        else:  # lists show what one of the upstreams keeps
            reply = await world.ask("b", "GET", f"/v1{kind.root}/{thing}", b"", kind.headers)
            assert MARK["a"].encode() in reply.body


@pytest.mark.parametrize("upstreams", [1, 2])
@pytest.mark.parametrize("name", ["responses", "chat_completions", "messages_batches", "evals"])
async def test_what_a_model_made_is_reached_where_no_upstream_is_the_default(
    name: str, upstreams: int, store_url: str
) -> None:
    async with gateway(store_url, upstreams, has_default=False) as world:
        kind = KINDS[name]
        thing = await _make(world, "a", kind)
        one = f"/v1{kind.root}/{thing}"
        assert (await world.ask("a", "GET", one, b"", kind.headers)).status == 200
        assert (await world.ask("b", "GET", one, b"", kind.headers)).status == 404
        if kind.listed:
            listed = await world.ask("a", "GET", f"/v1{kind.root}", b"", kind.headers)
            assert [it["id"] for it in json.loads(listed.body)["data"]] == [thing]
        assert (await world.ask("a", "DELETE", one, b"", kind.headers)).status == 200
        unknown = await world.ask("a", "POST", "/v1/files", b"x")
        assert b"is_default" in unknown.body


@pytest.mark.parametrize("upstreams", [1, 2])
async def test_nobody_deletes_the_model_that_another_had_tuned(upstreams: int, store_url: str) -> None:
    """A job tells its model when it is read. Of no other model, there is anything to delete."""
    async with gateway(store_url, upstreams) as world:
        job = await _make(world, "a", KINDS["fine_tuning"])
        (keeper,) = [it for it in world.keepers.values() if f"/fine_tuning/jobs/{job}" in it.kept]
        tuned = "ft:gpt-4o:org/x::1"
        keeper.kept[f"/models/{tuned}"] = {"id": tuned, "made_by": "mark-of-a", "changes": 0}
        keeper.kept[f"/fine_tuning/jobs/{job}"]["fine_tuned_model"] = tuned
        assert (await world.ask("a", "DELETE", "/v1/models/gpt-4o")).status == 404
        assert (await world.ask("a", "GET", f"/v1/fine_tuning/jobs/{job}")).status == 200
        for path in _spellings(f"/models/{tuned.replace('/', '%2F')}"):
            assert (await world.ask("b", "DELETE", path)).status == 404, path
        assert f"/models/{tuned}" in keeper.kept
        asked = await world.ask("a", "DELETE", f"/v1/models/{tuned.replace('/', '%2F')}")
        assert asked.status != 404 or b"in this project" not in asked.body


async def test_words_of_other_servers_paths_are_nothing_that_is_kept(store_url: str) -> None:
    """A listener may lead to any server: there a session is what that says it is."""
    async with gateway(store_url, 1) as world:
        view = ListenerView("console", "127.0.0.1:1", compile_rules([]), "all", None, 10)
        everything = world.bench.snapshot.default
        assert everything is not None
        world.bench.snapshot = replace(
            world.bench.snapshot, listeners={"console": view}, groups={"all": everything}
        )
        for path in ("/api/sessions/x", "/v1/api/sessions/x", "/sessions/x"):
            world.keepers["one"].asked.clear()
            await world.ask("a", "GET", path)
            assert len(world.keepers["one"].asked) == 1, path


async def test_a_list_is_one_request_of_its_token(store_url: str) -> None:
    """However many pages of upstreams it takes; it costs no tokens."""
    async with gateway(store_url, 1) as world:
        for tenant in "a" + "b" * 150:
            await _make(world, tenant, KINDS["vector_stores"])
        made = len(world.bench.journal.settled)
        assert (await world.ask("a", "GET", "/v1/vector_stores")).status == 200
        (event,) = world.bench.journal.settled[made:]
        assert (event.token_id, event.status, event.upstream) == ("tok_a", 200, "one")
        assert (event.endpoint, event.tokens.prompt, event.tokens.completion) == ("vector_stores", 0, 0)
        assert [it.id for it in world.bench.journal.begun[made:]] == [event.id]
        assert len([it for it in world.keepers["one"].asked if it.startswith("GET")]) == 3


_tenants = st.sampled_from(["a", "b"])
_operations = st.lists(
    st.tuples(
        _tenants,
        st.sampled_from(["make", "read", "list", "delete", "refer"]),
        st.sampled_from(["files", "vector_stores", "responses", "conversations"]),
        st.integers(0, 5),
    ),
    max_size=25,
)


@given(operations=_operations, upstreams=st.sampled_from([1, 2]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_two_projects_do_each_sees_its_own_and_all_of_it(
    operations: list[tuple[str, str, str, int]], upstreams: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The model is what each has made and not deleted. Ids are guessed: those of others, and of no one."""
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}"
    own: dict[tuple[str, str], list[str]] = {}
    made: dict[str, list[str]] = {}
    gone: set[str] = set()
    async with gateway(url, upstreams) as world:
        for tenant, operation, name, number in operations:
            kind, mine = KINDS[name], own.setdefault((tenant, name), [])
            if operation == "make":
                mine.append(await _make(world, tenant, kind))
                made.setdefault(name, []).append(mine[-1])
                continue
            if operation == "list":
                if not kind.listed:
                    continue
                reply = await world.ask(tenant, "GET", f"/v1{kind.root}", query="order=asc&limit=100")
                assert sorted(it["id"] for it in json.loads(reply.body)["data"]) == sorted(mine)
                continue
            known = [*made.get(name, []), f"{name[:4]}-000000"]
            one = known[number % len(known)]
            if operation == "refer":
                if not REFERENCES[name] or (one in gone and one not in mine):
                    continue  # upstreams differ in what they make of what is not there any more
                path, body = REFERENCES[name][number % len(REFERENCES[name])]
                if "nobody" in json.dumps(body):
                    continue
                sent = json.loads(json.dumps(body).replace("ID", one))
                reply = await world.ask(tenant, "POST", f"/v1{path}", sent)
                if path == f"{kind.root}" and reply.status == 200:
                    mine.append(json.loads(reply.body)["id"])
                    made[name].append(mine[-1])
                elif reply.status == 200 and (into := path[1:]) in KINDS:
                    own.setdefault((tenant, into), []).append(json.loads(reply.body)["id"])
                    made.setdefault(into, []).append(json.loads(reply.body)["id"])
            else:
                method = "DELETE" if operation == "delete" else "GET"
                reply = await world.ask(tenant, method, f"/v1{kind.root}/{one}")
            assert reply.status == (200 if one in mine else 404), (tenant, operation, one, reply.body)
            other = MARK["b" if tenant == "a" else "a"].encode()
            assert other not in reply.body
            if operation == "delete" and one in mine:
                mine.remove(one)
                gone.add(one)
