"""What an upstream keeps is its project's own, and is reached again where it is kept."""

import asyncio
import gzip
import json

import pytest
from tollkeeper_server.dataplane.affinity import Affinity
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.snapshot.model import ListenerView
from tollkeeper_server.snapshot.rules import compile_rules

from tests.unit.dataplane.caller import Caller, Reply
from tests.unit.dataplane.configured import ANTHROPIC, member_on, pool, route, snapshot, target
from tests.unit.dataplane.gateway import Bench

JSON = [(b"content-type", b"application/json")]


def _bench(*upstreams: str) -> Bench:
    """Return a gateway whose caller's project has own_1, own_2 …, and another one has its_1, its_2 …."""
    targets = {name: target(name, base_url=f"http://{name}.test/v1") for name in upstreams or ("one",)}
    first = next(iter(targets.values()))
    model = route("m", *(member_on(it) for it in targets.values()))
    bench = Bench(snapshot(model, route("claude", member_on(ANTHROPIC)), targets=targets, default=first))
    for number in range(3):
        bench.placements.keep(f"own_{number}", first.name)
        bench.placements.keep(f"its_{number}", first.name, "prj_2")
    bench.answers(b"{}")
    return bench


async def _call(
    bench: Bench, method: str, path: str, body: object = None, *, headers: list[tuple[bytes, bytes]] = JSON
) -> Reply:
    written = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    path, _, query = path.partition("?")
    return await Caller(method, path, written, headers, query=query.encode()).call(bench.plane)


def _message(reply: Reply) -> str:
    message: str = json.loads(reply.body)["error"]["message"]
    return message


PATHS = [
    "GET /v1/files/X",
    "GET /v1/files/X/content",
    "DELETE /v1/files/X",
    "GET /v1//files//X/",
    "GET /files/X",
    "GET /v1/FILES/X",
    "POST /v1/uploads/X/parts",
    "POST /v1/uploads/X/complete",
    "POST /v1/batches/X/cancel",
    "GET /v1/responses/X?stream=true",
    "POST /v1/responses/X/cancel",
    "GET /v1/responses/X/input_items",
    "GET /v1/chat/completions/X",
    "POST /v1/chat/completions/X",
    "GET /v1/chat/completions/X/messages",
    "GET /v1/fine_tuning/jobs/X/events",
    "GET /v1/fine_tuning/checkpoints/X/permissions",
    "POST /v1/threads/X/runs",
    "GET /v1/threads/X/runs/run_1/steps/step_1",
    "POST /v1/threads/X",
    "GET /v1/assistants/X",
    "GET /v1/vector_stores/X/files/file_1",
    "POST /v1/vector_stores/X/search",
    "GET /v1/containers/X/files/cfile_1/content",
    "DELETE /v1/conversations/X/items/msg_1",
    "GET /v1/evals/X/runs/run_1/output_items/item_1",
    "GET /v1/messages/batches/X/results",
    "POST /v1/videos/X/remix",
    "GET /v1/videos/X/content",
    "POST /v1/realtime/calls/X/hangup",
    "GET /openai/files/X",
    "POST /v1/batch/jobs/X/cancel",
    "GET /v1/libraries/X/documents",
    "PATCH /v1/fine_tuning/models/X",
    "GET /v1/chat/deferred-completion/X",
    "GET /openai/v1/video/generations/jobs/X?api-version=preview",
]
BELOW = [
    "GET /v1/vector_stores/own_1/files/X",
    "GET /v1/threads/own_1/messages/X",
    "GET /v1/threads/own_1/runs/own_2/steps/X",
    "GET /v1/containers/own_1/files/X/content",
    "GET /v1/evals/own_1/runs/X",
    "GET /v1/threads/own_1/messages?after=X",
    "GET /v1/threads/own_1/messages?run_id=X",
    "GET /v1/conversations/own_1/items?limit=1;before=%58",
]


@pytest.mark.parametrize("upstreams", [("one",), ("one", "two")])
@pytest.mark.parametrize("request_line", PATHS)
async def test_a_path_leads_to_what_is_the_projects_own_alone(
    request_line: str, upstreams: tuple[str, ...]
) -> None:
    """What another project has is answered as what nobody is known to have is."""
    method, path = request_line.split()
    messages = set()
    names = {"own_1": 200, "its_1": 404, "not_1": 404, "own_1%2Fx": 404, "own_1%2Fits_1": 404, "%6fwn_1": 200}
    for name, status in names.items():
        bench = _bench(*upstreams)
        reply = await _call(bench, method, path.replace("X", name))
        assert reply.status == status, reply.body
        assert len(bench.transport.requests) == (status == 200)
        if name in {"its_1", "not_1"}:
            messages.add(_message(reply).replace(name, "X"))
    assert len(messages) == 1


@pytest.mark.parametrize("request_line", BELOW)
async def test_what_stands_below_is_reached_through_what_is_own(request_line: str) -> None:
    method, path = request_line.split()
    for name, status in {"own_1": 200, "its_1": 404, "not_1": 200}.items():
        reply = await _call(_bench(), method, path.replace("X", name).replace("%58", name))
        assert reply.status == status, reply.body


@pytest.mark.parametrize(
    "request_line",
    [
        "GET /v1/files",
        "GET /v1/chat/completions",
        "POST /v1/threads/runs",
        "GET /v1/fine_tuning/jobs",
        "POST /v1/responses/input_tokens",
        "POST /v1/responses/compact",
        "POST /v1/realtime/client_secrets",
        "POST /v1/realtime/sessions",
        "POST /v1/fine_tuning/alpha/graders/run",
        "POST /v1/videos/edits",
        "POST /v1/videos/generations",
        "POST /v1/chat/moderations",
        "POST /v1/files/upload",
        "POST /openai/files/import",
        "POST /v1/messages/count_tokens",
        "POST /v1/anything/else",
    ],
)
async def test_a_path_that_names_nothing_is_nobodys(request_line: str) -> None:
    bench = _bench()
    method, path = request_line.split()
    await _call(bench, method, path, {"model": "m"})
    assert len(bench.transport.requests) == 1


BODIES = [
    ("/v1/responses", {"previous_response_id": "X"}),
    ("/v1/responses", {"conversation": "X"}),
    ("/v1/responses", {"conversation": {"id": "X"}}),
    ("/v1/responses", {"input": [{"type": "item_reference", "id": "X"}]}),
    ("/v1/responses", {"input": [{"id": "X"}]}),
    ("/v1/responses", {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "X"}]}]}),
    ("/v1/responses", {"input": [{"type": "function_call_output", "output": [{"file_id": "X"}]}]}),
    ("/v1/responses", {"input": [{"type": "code_interpreter_call", "id": "ci", "container_id": "X"}]}),
    ("/v1/responses", {"tools": [{"type": "file_search", "vector_store_ids": ["own_1", "X"]}]}),
    ("/v1/responses", {"tools": [{"type": "code_interpreter", "container": "X"}]}),
    ("/v1/responses", {"tools": [{"container": {"type": "auto", "file_ids": ["X"]}}]}),
    ("/v1/responses", {"tools": [{"type": "image_generation", "input_image_mask": {"file_id": "X"}}]}),
    ("/v1/responses", {"tools": [{"type": "shell", "environment": {"container_id": "X"}}]}),
    ("/v1/responses", {"prompt": {"id": "pmpt_1", "variables": {"a": {"file_id": "X"}}}}),
    ("/v1/responses/compact", {"previous_response_id": "X"}),
    ("/v1/conversations", {"items": [{"type": "item_reference", "id": "X"}]}),
    ("/v1/conversations/own_1/items", {"items": [{"id": "X"}]}),
    ("/v1/batches", {"input_file_id": "X", "endpoint": "/v1/embeddings"}),
    ("/v1/fine_tuning/jobs", {"training_file": "X"}),
    ("/v1/fine_tuning/jobs", {"training_file": "own_1", "validation_file": "X"}),
    ("/v1/fine_tuning/jobs", {"training_files": [{"file_id": "X", "weight": 1}]}),
    ("/v1/fine_tuning/jobs", {"training_files": [{"file_id": "own_1"}], "validation_files": ["X"]}),
    ("/v1/batch/jobs", {"input_files": ["own_1", "X"], "endpoint": "/v1/embeddings"}),
    ("/v1/ocr", {"document": {"type": "file", "file_id": "X"}}),
    ("/v1/assistants", {"tool_resources": {"code_interpreter": {"file_ids": ["X"]}}}),
    ("/v1/assistants", {"tool_resources": {"file_search": {"vector_stores": [{"file_ids": ["X"]}]}}}),
    ("/v1/threads", {"messages": [{"role": "user", "attachments": [{"file_id": "X"}]}]}),
    ("/v1/threads", {"messages": [{"role": "user", "content": [{"image_file": {"file_id": "X"}}]}]}),
    ("/v1/threads/runs", {"assistant_id": "X"}),
    ("/v1/threads/own_1/runs", {"assistant_id": "X"}),
    ("/v1/vector_stores", {"file_ids": ["X"]}),
    ("/v1/vector_stores/own_1/files", {"file_id": "X"}),
    ("/v1/vector_stores/own_1/file_batches", {"files": [{"file_id": "own_2"}, {"file_id": "X"}]}),
    ("/v1/containers", {"file_ids": ["X"]}),
    ("/v1/containers/own_1/files", {"file_id": "X"}),
    ("/v1/evals", {"data_source": {"source": {"type": "file_id", "id": "X"}}}),
    ("/v1/evals/own_1/runs", {"data_source": {"source": {"id": "X", "type": "file_id"}}}),
    ("/v1/videos/edits", {"video": {"id": "X"}}),
    ("/v1/chat/completions", {"messages": [{"content": [{"type": "file", "file": {"file_id": "X"}}]}]}),
    ("/v1/images/edits", {"images": [{"file_id": "X"}]}),
    ("/v1/messages", {"messages": [{"content": [{"type": "document", "source": {"file_id": "X"}}]}]}),
    ("/v1/messages", {"messages": [{"content": [{"type": "container_upload", "file_id": "X"}]}]}),
    ("/v1/messages", {"container": "X"}),
    ("/v1/messages", {"container": {"id": "X", "skills": []}}),
    ("/v1/messages/count_tokens", {"messages": [{"content": [{"source": {"file_id": "X"}}]}]}),
    ("/v1/messages/batches", {"requests": [{"params": {"model": "m", "container": "X"}}]}),
    ("/v1/anything", {"file_id": "X"}),
]


@pytest.mark.parametrize(("path", "body"), BODIES)
async def test_a_body_refers_to_what_is_the_projects_own_alone(path: str, body: dict[str, object]) -> None:
    messages = set()
    for name, status in {"own_2": 200, "its_2": 404, "not_2": 404}.items():
        written = json.dumps({"model": "m", **body}).replace('"X"', json.dumps(name)).encode()
        for sent, headers in [
            (written, JSON),
            (written.replace(name.encode(), name.replace("_", "\\u005f").encode()), JSON),
            (gzip.compress(written), [*JSON, (b"content-encoding", b"gzip")]),
            (json.dumps(json.loads(written), indent=2).encode() + b"\n", JSON),
        ]:
            bench = _bench()
            reply = await _call(bench, "POST", path, sent, headers=headers)
            assert reply.status == status, reply.body
            sent_on = [it.method for it in bench.transport.requests if not it.url.endswith("/content")]
            assert sent_on == ["POST"] * (status == 200)
            if status == 404:
                messages.add(_message(reply).replace(name, "X"))
    assert len(messages) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/v1/files%2FX",
        "/v1%2Ffiles/X",
        "/v1/files/%2FX",
        "/v1/files%252FX",
        "/v1/x%2Ffiles%2FX",
        "/v1/%66iles/X",
    ],
)
async def test_an_encoded_slash_hides_nothing(path: str) -> None:
    """Some servers read it as a slash, others do not."""
    bench = _bench()
    for name in ("its_1", "not_1"):
        assert (await _call(bench, "GET", path.replace("X", name))).status in {400, 404}
    assert bench.transport.requests == []


@pytest.mark.parametrize(
    "path",
    [
        "/proxy/files",
        "/v1/v1/files",
        "/x/models/files",
        "/a%2Fb/files",
        "/proxy/v1/agents",
        "/v1/v1/batch/jobs",
        "/V1/skills",
        "//v1/vaults",
    ],
)
async def test_a_path_before_the_apis_own_does_not_hide_it(path: str) -> None:
    """A listener's group may be sent any path, to an upstream at which it is one of the API."""
    farm = target("farm", base_url="http://farm.test")
    view = ListenerView("main", "127.0.0.1:1", compile_rules([]), "farm", None, 10)
    groups = {"farm": pool(member_on(farm), name="farm")}
    for name, status in {"own_1": 200, "its_1": 404, "not_1": 404}.items():
        bench = Bench(snapshot(groups=groups, targets={"farm": farm}, listeners={"console": view}))
        bench.placements.keep("own_1", "farm")
        bench.placements.keep("its_1", "farm", "prj_2")
        bench.answers(b"{}")
        assert (await _call(bench, "GET", f"{path}/{name}")).status == status


@pytest.mark.parametrize(
    "path",
    [
        "/v1/its/X",
        "/v2/its/X/content",
        "/agents/X",
        "/batch/jobs/X",
        "/v1/ITS/X;a=b",
        "/v1/%EF%AC%81les/X",
        "/its%2FX",
    ],
)
async def test_a_path_that_is_not_known_leads_to_nothing_of_others(path: str) -> None:
    farm = target("farm", base_url="http://farm.test/v1")
    view = ListenerView("main", "127.0.0.1:1", compile_rules([]), "farm", None, 10)
    groups = {"farm": pool(member_on(farm), name="farm")}
    for name, status in {"own_1": 200, "its_1": 404, "not_1": 200, "i%74s_1": 404}.items():
        bench = Bench(snapshot(groups=groups, targets={"farm": farm}, listeners={"console": view}))
        bench.placements.keep("own_1", "farm")
        bench.placements.keep("its_1", "farm", "prj_2")
        bench.answers(b"{}")
        assert (await _call(bench, "GET", path.replace("X", name))).status == status


async def test_an_upload_is_completed_with_no_others_parts() -> None:
    for name, status in {"own_2": 200, "its_2": 404, "not_2": 200}.items():
        reply = await _call(_bench(), "POST", "/v1/uploads/own_1/complete", {"part_ids": ["own_1", name]})
        assert reply.status == status


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","previous_response_id":"its_1","previous_response_id":"own_1"}',
        b'{"model":"m","previous_response_id":"own_1","previous_response_id":"its_1"}',
        b'{"model":"m","previous_response_id":"own_1","previous_response_\\u0069d":"its_1"}',
        b'{"model":"m","Previous_Response_ID":"its_1"}',
        '{"model":"m","previou\u017f_re\u017fpon\u017fe_id":"its_1"}'.encode(),
        b'{"model":"m","conversation":{"id":"own_1","id":"its_1"}}',
        b'{"model":"m","input":[{"id":"its_1","type":"x","type":"item_reference"}]}',
        b'{"model":"m","input":[{"type":"message","id":"its_1","content":"x"}]}',
        b'{"model":"m","tools":[{"vector_store_ids":[[["its_1"]]]}]}',
        b'\xef\xbb\xbf{"model":"m","conversation":"its_1"}',
    ],
)
async def test_no_spelling_gets_round_it(body: bytes) -> None:
    bench = _bench()
    await _call(bench, "POST", "/v1/responses", body)
    assert bench.transport.requests == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses", {"prompt": {"id": "pmpt_1"}}),
        ("/v1/responses", {"metadata": {"file_id": "not_1"}, "previous_response_id": None}),
        ("/v1/responses", {"input": [{"type": "message", "id": "msg_of_no_store", "content": "x"}]}),
        (
            "/v1/responses",
            {"input": [{"type": "function_call", "id": "fc_1", "arguments": '{"file_id":"x"}'}]},
        ),
        ("/v1/responses", {"input": 'read {"file_id":"not_1"}'}),
        ("/v1/responses", {"tools": [{"name": "f", "parameters": {"example": {"file_id": "not_1"}}}]}),
        ("/v1/chat/completions", {"messages": [{"role": "tool", "tool_call_id": "its_1"}]}),
        ("/v1/chat/completions", {"tools": [{"function": {"parameters": {"file_id": "not_1"}}}]}),
        (
            "/v1/messages",
            {"messages": [{"content": [{"type": "tool_use", "id": "t", "input": {"file_id": "not_1"}}]}]},
        ),
        ("/v1/messages/batches", {"requests": [{"custom_id": "its_1", "params": {"model": "m"}}]}),
        ("/v1/vector_stores/own_1/files", {"file_id": "own_2", "attributes": {"file_id": "not_1"}}),
        ("/v1/embeddings", {"input": '"file_id": "not_1"'}),
    ],
)
async def test_what_callers_may_write_freely_refers_to_nothing(path: str, body: dict[str, object]) -> None:
    reply = await _call(_bench(), "POST", path, {"model": "m", **body})
    assert reply.status == 200, reply.body


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (
            b"multipart/form-data; boundary=b",
            b'--b\r\ncontent-disposition: form-data; name="%b"\r\n\r\n%b\r\n--b--',
        ),
        (b"application/x-www-form-urlencoded", b"x=1&%b=%b"),
        (b"text/plain", b'{"%b":"%b"}'),
        (b"", b' {"%b":"%b"}'),
    ],
)
@pytest.mark.parametrize("name", [b"file_id", b"File_Id", b"files[0][file_id]"])
async def test_a_body_of_another_kind_gets_round_it_neither(kind: bytes, body: bytes, name: bytes) -> None:
    if b"{" in body and b"[" in name:
        return
    for value, sent in {b"own_2": 1, b"its_2": 0, b"not_2": 0}.items():
        bench = _bench()
        headers = [(b"content-type", kind)] if kind else []
        caller = Caller("POST", "/v1/containers/own_1/files", body % (name, value), headers, json=False)
        await caller.call(bench.plane)
        assert len(bench.transport.requests) == sent


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-8-sig"])
@pytest.mark.parametrize("kind", [b"text/plain", b"application/octet-stream", b""])
async def test_nor_does_json_in_another_encoding(encoding: str, kind: bytes) -> None:
    """Decoders in Python read it, whatever its type is said to be."""
    for name, sent in {"own_2": 1, "its_2": 0, "not_2": 0}.items():
        bench = _bench()
        body = f' {{"attributes": {{"a": "{"ü" * 40_000}"}}, "file_ids": ["{name}"]}}'.encode(encoding)
        headers = [(b"content-type", kind)] if kind else []
        await Caller("POST", "/v1/vector_stores", body, headers, json=False).call(bench.plane)
        assert len(bench.transport.requests) == sent


@pytest.mark.parametrize("name", ["file", "files", "mask_file", "output_files"])
async def test_a_member_that_may_be_a_file_is_nobody_elses(name: str) -> None:
    for value, status in {"own_2": 200, "its_2": 404, "not_2": 200}.items():
        reply = await _call(_bench(), "POST", "/v1/videos/edits", {"model": "m", name: value})
        assert reply.status == status


async def test_a_form_of_any_endpoint_may_refer_to_a_file() -> None:
    form = (
        b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n'
        b'--b\r\ncontent-disposition: form-data; name="images[0][file_id]"\r\n\r\nX\r\n--b--'
    )
    headers = [(b"content-type", b"multipart/form-data; boundary=b")]
    for name, status in {b"own_2": 200, b"its_2": 404, b"not_2": 404}.items():
        reply = await _call(_bench(), "POST", "/v1/images/edits", form.replace(b"X", name), headers=headers)
        assert reply.status == status


async def test_a_large_body_is_looked_through_as_a_small_one_is() -> None:
    for name, status in {"own_2": 200, "its_2": 404}.items():
        content = [{"type": "text", "text": "x" * 400_000}, {"file": {"file_id": name}}]
        reply = await _call(
            _bench(), "POST", "/v1/chat/completions", {"model": "m", "messages": [{"content": content}]}
        )
        assert reply.status == status


async def test_a_request_refers_to_so_many_things_at_most() -> None:
    bench = _bench()
    ids = [f"own_{number}" for number in range(9_000)]
    for one in ids:
        bench.placements.keep(one, "one")
    assert (await _call(bench, "POST", "/v1/vector_stores", {"file_ids": ids})).status == 200
    reply = await _call(bench, "POST", "/v1/vector_stores", {"file_ids": [f"x{n}" for n in range(10_001)]})
    assert reply.status == 400
    assert json.loads(reply.body)["error"]["param"] == "file_ids"


async def test_each_api_says_so_in_its_own_form() -> None:
    reply = await _call(_bench(), "GET", "/v1/responses/its_1")
    assert json.loads(reply.body)["error"] == {
        "message": "there is no response 'its_1' in this project; what was made past the gateway is reached "
        "only with TOLLKEEPER_SHARE_KEPT",
        "type": "not_found_error",
        "param": "path",
        "code": "not_found",
    }
    reply = await _call(_bench(), "GET", "/v1/messages/batches/its_1")
    assert json.loads(reply.body)["type"] == "error"
    assert json.loads(reply.body)["error"]["type"] == "not_found_error"


@pytest.mark.parametrize("upstreams", [("one",), ("one", "two")])
async def test_with_the_setting_projects_share_what_is_kept(upstreams: tuple[str, ...]) -> None:
    bench = _bench(*upstreams)
    bench.affinity._shared = True
    for name in ("own_1", "its_1", "not_1"):
        assert (await _call(bench, "GET", f"/v1/files/{name}")).status == 200
        assert (await _call(bench, "POST", "/v1/batches", {"input_file_id": name})).status == 200


async def test_it_is_sent_to_the_upstream_that_keeps_what_it_is_about() -> None:
    bench = _bench("one", "two")
    bench.placements.keep("own_9", "two")
    for path, body in [("/v1/files/own_9", None), ("/v1/batches", {"input_file_id": "own_9"})]:
        await _call(bench, "POST" if body else "GET", path, body)
        assert bench.transport.requests[-1].url.startswith("http://two.test/")
    reply = await _call(bench, "POST", "/v1/responses", {"model": "m", "previous_response_id": "own_9"})
    assert reply.headers[b"x-tollkeeper-upstream"] == b"two"


async def test_what_an_upstream_keeps_that_is_gone_is_at_the_only_one_that_is_left() -> None:
    bench = _bench()
    bench.placements.keep("own_9", "renamed")
    assert (await _call(bench, "GET", "/v1/files/own_9")).status == 200
    bench = _bench("one", "two")
    bench.placements.keep("own_9", "renamed")
    assert (await _call(bench, "GET", "/v1/files/own_9")).status == 503


async def test_a_store_that_is_away_is_neither_a_refusal_nor_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(ids: list[str]) -> dict[str, object]:
        raise StoreUnavailableError("the store")

    bench = _bench()
    monkeypatch.setattr(bench.placements, "find_many", fail)
    for method, path, body in [
        ("GET", "/v1/files/own_1", None),
        ("POST", "/v1/batches", {"input_file_id": "its_1"}),
        ("POST", "/v1/chat/completions", {"model": "m", "messages": [{"file": {"file_id": "own_1"}}]}),
    ]:
        reply = await _call(bench, method, path, body)
        assert reply.status == 503
        assert reply.headers[b"retry-after"] == b"1"
    assert bench.transport.requests == []
    assert (await _call(bench, "POST", "/v1/chat/completions", {"model": "m"})).status == 200


def test_a_chat_that_refers_to_nothing_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def find(*args: object) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr(Affinity, "find", find)
    body = {"model": "m", "messages": [{"role": "tool", "tool_call_id": "c", "content": '"file_id"'}]}
    reply = asyncio.run(_call(_bench(), "POST", "/v1/chat/completions", body))
    assert reply.status == 200
