"""A token's allowed models hold for what a request runs by a kept thing."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tollkeeper_server.domain.listener import Rule
from tollkeeper_server.snapshot.model import Header, ListenerView
from tollkeeper_server.snapshot.rules import compile_rules

from tests.unit.dataplane.caller import Reply
from tests.unit.dataplane.configured import member_on, route, snapshot
from tests.unit.dataplane.tenants import World, gateway

ALLOWED = ("gpt-4o", "ft:gpt-4o:*")


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """The URL of a store of its own."""
    return f"sqlite:///{tmp_path / 'store.db'}"


def _line(url: str = "/v1/chat/completions", **body: Any) -> bytes:
    return json.dumps({"custom_id": "x", "method": "POST", "url": url, "body": body}).encode()


GOOD = _line(model="gpt-4o", messages=[])


async def _upload(world: World, file: bytes, tenant: str = "a") -> str:
    form = (
        b'--x\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        b'--x\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\n' + file + b"\r\n--x--\r\n"
    )
    headers: Sequence[Header] = ((b"content-type", b"multipart/form-data; boundary=x"),)
    made = await world.ask(tenant, "POST", "/v1/files", form, headers)
    return str(json.loads(made.body)["id"])


def _error(reply: Reply) -> tuple[int, str, str]:
    error = json.loads(reply.body)["error"]
    return reply.status, error["code"], error["param"]


@pytest.mark.parametrize("upstreams", [1, 2])
@pytest.mark.parametrize("shares", [True, False])
async def test_a_batch_of_allowed_models_is_made_and_any_other_is_not(
    upstreams: int, shares: bool, store_url: str
) -> None:
    """Whatever the request names, the file's lines decide, and nothing reaches the upstream before."""
    async with gateway(store_url, upstreams, shares=shares, allowed_models=ALLOWED) as world:
        good = await _upload(world, GOOD + b"\n" + _line(model="ft:gpt-4o:x") + b"\n")
        made = await world.ask("a", "POST", "/v1/batches", {"input_file_id": good, "endpoint": "/v1/x"})
        assert made.status == 200, made.body
        for bad in (
            _line(model="claude", messages=[]),
            _line(model="gpt-4o", models=["claude"]),
            _line("/v1/responses", input="x"),
            _line("/openai/deployments/claude/chat/completions", model="gpt-4o"),
            GOOD[:-1] + b',"body":{"model":"claude"}}',
        ):
            file = await _upload(world, GOOD + b"\n" + bad)
            for body in (
                {"input_file_id": file, "endpoint": "/v1/x"},
                {"input_file_id": file, "endpoint": "/v1/x", "model": "gpt-4o"},
            ):
                for keeper in world.keepers.values():
                    keeper.asked.clear()
                refused = await world.ask("a", "POST", "/v1/batches", body)
                assert _error(refused) == (403, "model_not_allowed", "input_file_id"), bad
                asked = [one for keeper in world.keepers.values() for one in keeper.asked]
                assert asked == [f"GET /v1/files/{file}/content"]


@pytest.mark.parametrize(
    "path", ["/v1/batches;x=y", "/v1/batches%2F", "/v1/openai/batches", "/openai/batches"]
)
async def test_no_spelling_of_the_path_gets_a_batch_round_its_lines(path: str, store_url: str) -> None:
    async with gateway(store_url, 1, allowed_models=ALLOWED) as world:
        file = await _upload(world, _line(model="claude", messages=[]))
        asked = world.keepers["one"].asked
        asked.clear()
        body = {"input_file_id": file, "endpoint": "/v1/x", "model": "gpt-4o"}
        refused = await world.ask("a", "POST", path, body)
        assert _error(refused) == (403, "model_not_allowed", "input_file_id")
        assert [one.partition(" ")[0] for one in asked] == ["GET"]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ({"custom_id": "x", "body": {"messages": []}}, 200),
        ({"custom_id": "x", "body": {"messages": [], "model": "gpt-4o"}}, 200),
        ({"custom_id": "x", "body": {"messages": [], "model": "claude"}}, 403),
    ],
)
async def test_the_lines_of_each_file_of_a_job_are_looked_at(
    line: dict[str, Any], status: int, store_url: str
) -> None:
    """Mistral's jobs name the model, and their lines need not."""
    async with gateway(store_url, 1, allowed_models=ALLOWED) as world:
        good = await _upload(world, json.dumps({"custom_id": "y", "body": {}}).encode())
        file = await _upload(world, json.dumps(line).encode())
        body = {"input_files": [good, file], "endpoint": "/v1/chat/completions", "model": "gpt-4o"}
        reply = await world.ask("a", "POST", "/v1/batch/jobs", body)
        assert reply.status != 403 if status == 200 else _error(reply)[:2] == (403, "model_not_allowed")


async def test_a_batch_that_cant_be_read_is_refused(store_url: str) -> None:
    async with gateway(store_url, 1, allowed_models=ALLOWED) as world:
        file = await _upload(world, b"no JSON")
        refused = await world.ask("a", "POST", "/v1/batches", {"input_file_id": file})
        assert _error(refused) == (400, "invalid_argument", "input_file_id")
        refused = await world.ask("a", "POST", "/v1/batches", {"model": "gpt-4o", "requests": []})
        assert _error(refused)[:2] == (403, "model_not_allowed")


async def test_what_the_upstream_says_of_a_file_that_is_gone_is_the_answer(store_url: str) -> None:
    async with gateway(store_url, 1, allowed_models=ALLOWED) as world:
        file = await _upload(world, GOOD)
        del world.keepers["one"].kept[f"/files/{file}"]
        reply = await world.ask("a", "POST", "/v1/batches", {"input_file_id": file})
        assert reply.status == 404
        assert b"there is no GET" in reply.body


@pytest.mark.parametrize("limited", [True, False])
async def test_no_line_of_a_batch_refers_to_what_is_anothers(limited: bool, store_url: str) -> None:
    """The upstream would continue it, and show it in the batch's output."""
    async with gateway(store_url, 1, allowed_models=ALLOWED if limited else ()) as world:
        made = await world.ask("b", "POST", "/v1/responses", {"model": "gpt-4o", "input": "mark-of-b"})
        others = json.loads(made.body)["id"]
        own = json.loads(
            (await world.ask("a", "POST", "/v1/responses", {"model": "gpt-4o", "input": "x"})).body
        )["id"]
        for one, status in ((own, 200), (others, 404), ("resp_999999", 404)):
            line = _line("/v1/responses", model="gpt-4o", input="x", previous_response_id=one)
            file = await _upload(world, GOOD + b"\n" + line)
            reply = await world.ask("a", "POST", "/v1/batches", {"input_file_id": file})
            assert reply.status == status, one
            assert b"mark-of-b" not in reply.body


async def _make(world: World, path: str, body: dict[str, Any]) -> str:
    """Have the upstream make something past the token's limits, as another token of the project would."""
    keeper = world.keepers["one"]
    made = json.loads(keeper.handle("POST", path, {}, json.dumps(body).encode())[1])
    placements = world.placements
    await placements.remember(made["id"], "one", "prj_a")
    return str(made["id"])


@pytest.mark.parametrize(
    ("kind", "run", "body"),
    [
        ("/assistants", "/threads/runs", {"assistant_id": "ID"}),
        ("/videos", "/videos/ID/remix", {"prompt": "x"}),
        ("/videos", "/videos/ID/remix", {"prompt": "x", "model": "gpt-4o"}),
        ("/videos", "/videos/edits", {"video": {"id": "ID"}, "model": "gpt-4o"}),
        ("/agents", "/agents/completions", {"agent_id": "ID"}),
        ("/agents", "/agents/completions", {"agent_id": "ID", "model": "gpt-4o"}),
        ("/agents", "/sessions", {"agent": {"id": "ID"}, "model": "gpt-4o"}),
        ("/agents", "/conversations", {"agent_id": "ID", "inputs": "x"}),
        ("/conversations", "/conversations/ID", {"inputs": "x"}),
        ("/evals", "/evals/ID/runs", {"data_source": {"model": "gpt-4o"}}),
        ("/fine_tuning/jobs", "/fine_tuning/jobs/ID/resume", {}),
    ],
)
async def test_a_thing_runs_the_models_that_it_has(
    kind: str, run: str, body: dict[str, Any], store_url: str
) -> None:
    async with gateway(store_url, 1, allowed_models=ALLOWED) as world:
        for model, status in (("gpt-4o", 200), ("claude", 403)):
            one = await _make(world, kind, {"model": model})
            before = dict(world.keepers["one"].kept)
            sent = json.loads(json.dumps(body).replace("ID", one))
            reply = await world.ask("a", "POST", f"/v1{run.replace('ID', one)}", sent)
            assert reply.status == status, (model, reply.body)
            if status == 403:
                assert _error(reply)[1] == "model_not_allowed"
                assert world.keepers["one"].kept == before


@pytest.mark.parametrize(
    ("allowed", "there", "status"),
    [
        ("cheap", "mini-2", 200),  # what the upstream calls it
        ("fast", "mini-2", 200),  # an alias
        ("mini-2", "mini-2", 403),  # the name is no model's here
        ("cheap", "cheap", 403),  # the upstream has another one of that name
        ("dear", "cheap", 200),
        ("free-*", "free-1", 200),
        ("free-*", "mini-2", 403),
        ("unknown", "unknown", 200),
    ],
)
async def test_models_are_known_by_the_names_that_the_upstream_has_for_them(
    allowed: str, there: str, status: int, store_url: str
) -> None:
    async with gateway(store_url, 1, allowed_models=(allowed,)) as world:
        one = world.bench.snapshot.targets["one"]
        made = snapshot(
            route("cheap", member_on(one, "mini-2")),
            route("dear", member_on(one, "cheap")),
            route("free-*", member_on(one)),
            aliases={"fast": "cheap"},
        )
        world.bench.snapshot = replace(world.bench.snapshot, routes=made.routes, patterns=made.patterns)
        assistant = await _make(world, "/assistants", {"model": there})
        reply = await world.ask("a", "POST", "/v1/threads/runs", {"assistant_id": assistant})
        assert reply.status == status, reply.body


async def test_a_thing_that_names_no_model_runs_for_no_limited_token(store_url: str) -> None:
    async with gateway(store_url, 1, allowed_models=ALLOWED) as world:
        one = await _make(world, "/videos", {})
        reply = await world.ask("a", "POST", f"/v1/videos/{one}/remix", {"prompt": "x"})
        assert _error(reply)[:2] == (403, "model_not_allowed")
    async with gateway(store_url, 1) as world:
        one = await _make(world, "/videos", {})
        assert (await world.ask("a", "POST", f"/v1/videos/{one}/remix", {"prompt": "x"})).status == 200
        assert not [it for it in world.keepers["one"].asked if it.startswith("GET")]


SOURCES = [
    {"type": "completions", "source": {"type": "stored_completions", "metadata": {}}},
    {"type": "completions", "Source": {"type": "stored_completions"}},
    {"type": "responses", "source": {"type": "responses", "created_after": 1}},
]


@pytest.mark.parametrize("source", SOURCES)
async def test_no_eval_reads_what_all_projects_keep(source: dict[str, Any], store_url: str) -> None:
    """OpenAI's runs may take all that is stored, by a filter."""
    for shares in (False, True):
        async with gateway(store_url, 1, shares=shares) as world:
            one = await _make(world, "/evals", {})
            body = {"data_source": {"model": "gpt-4o", **source}}
            for sent in (body, json.dumps(body).replace('ses"', 's\\u0065s"').encode()):
                reply = await world.ask("a", "POST", f"/v1/evals/{one}/runs", sent)
                if shares:
                    assert reply.status == 200, reply.body
                else:
                    assert _error(reply) == (403, "permission_denied", "data_source")
            file = await _upload(world, GOOD)
            by_file = {"type": "responses", "source": {"type": "file_id", "id": file}, "model": "gpt-4o"}
            reply = await world.ask("a", "POST", f"/v1/evals/{one}/runs", {"data_source": by_file})
            assert reply.status == 200


@pytest.mark.parametrize(
    "path",
    ["/v1/organization/admin_api_keys", "/v1//Organization/users", "/v1/%6frganization/usage/completions",
     "/v1/organizations/api_keys", "/v1/organization"],
)  # fmt: skip
async def test_nobody_administers_the_account_at_the_provider(path: str, store_url: str) -> None:
    for shares in (False, True):
        async with gateway(store_url, 1, shares=shares) as world:
            for method in ("GET", "POST", "DELETE"):
                assert _error(await world.ask("a", method, path)) == (403, "permission_denied", "path")
            assert not world.keepers["one"].asked


async def test_a_rule_may_lead_to_the_administration(store_url: str) -> None:
    async with gateway(store_url, 1) as world:
        everything = world.bench.snapshot.default
        assert everything is not None
        rules = compile_rules([Rule(path="/v1/organization/*", group="all")])
        view = ListenerView("console", "127.0.0.1:1", rules, "", None, 10)
        world.bench.snapshot = replace(
            world.bench.snapshot, listeners={"console": view}, groups={"all": everything}
        )
        await world.ask("a", "GET", "/v1/organization/costs")
        assert world.keepers["one"].asked == ["GET /v1/organization/costs"]
        assert _error(await world.ask("a", "GET", "/v1/organizations/x"))[0] == 403
