"""What answers tell of is remembered for the project that gets them, before it does."""

import asyncio
import gzip
import json

import pytest
from tollkeeper_server.dataplane.reply.kept import KeptAnswers
from tollkeeper_server.dataplane.request.peek import Peek

from tests.contract.entities import an_event
from tests.unit.dataplane.caller import DEADLINE, Caller
from tests.unit.dataplane.configured import ANTHROPIC, member_on, route, snapshot, target
from tests.unit.dataplane.exchanges import planned
from tests.unit.dataplane.gateway import Bench, Kept
from tests.unit.dataplane.upstream import Answer


def _bench(*names: str) -> Bench:
    targets = {name: target(name) for name in names or ("one",)}
    model = route("m", member_on(targets["one"]))
    bench = Bench(
        snapshot(model, route("claude", member_on(ANTHROPIC)), targets=targets, default=targets["one"])
    )
    bench.placements.keep("own_1", "one")
    return bench


async def _made_by(
    method: str,
    path: str,
    body: object,
    answer: object,
    *,
    status: int = 200,
    upstreams: tuple[str, ...] = (),
) -> set[str]:
    """Return the ids that a request leaves behind."""
    bench = _bench(*upstreams)
    bench.answers(answer if isinstance(answer, bytes) else json.dumps(answer).encode(), status=status)
    path, _, query = path.partition("?")
    sent = json.dumps(body).encode() if body is not None else b""
    caller = Caller(method, path, sent, query=query.encode())
    reply = await caller.call(bench.plane)
    assert reply.status == status
    assert set(bench.placements.projects.values()) == {"prj_1"}
    return set(bench.placements.upstreams) - {"own_1"}


@pytest.mark.parametrize(
    ("path", "pieces", "made"),
    [
        ("/v1/files", [b'{"object":"file","id":"file-', b'abc123"}'], {"file-abc123"}),
        ("/v1/files", [b'{"id":"1"}'], {"1"}),
        ("/v1/responses", [b'{"output":[{"id":"msg_9999"}],"id":"resp_1234"}'], {"resp_1234", "msg_9999"}),
        (
            "/v1/responses",
            [b'event: response.created\ndata: {"response":{"id":"re', b'sp_1234"}}\n\n', b"data: {}\n\n"],
            {"resp_1234"},
        ),
    ],
)
async def test_what_is_made_is_remembered_before_the_caller_learns_of_it(
    path: str, pieces: list[bytes], made: set[str]
) -> None:
    kept = Kept()
    caller, plan = planned(path)
    caller.upstream = "one"

    answer = await KeptAnswers(kept).remember(
        caller, plan, Answer(tuple(pieces), 200, []), asked_stream=False
    )

    assert kept.upstreams == dict.fromkeys(made, "one")
    assert kept.projects == dict.fromkeys(made, "prj_1")
    assert b"".join([chunk async for chunk in answer.chunks()]) == b"".join(pieces)


@pytest.mark.parametrize(
    ("method", "path", "body", "answer", "made"),
    [
        ("POST", "/v1/files", None, {"id": "file-1"}, {"file-1"}),
        ("POST", "/v1/uploads/own_1/complete", None, {"id": "own_1", "file": {"id": "file-1"}}, {"file-1"}),
        ("POST", "/v1/batches", {}, {"id": "batch_1"}, {"batch_1"}),
        ("GET", "/v1/batches/own_1", None, {"id": "own_1", "output_file_id": "file-1"}, {"file-1"}),
        ("GET", "/v1/fine_tuning/jobs/own_1", None, {"result_files": ["file-1"]}, {"file-1"}),
        ("GET", "/v1/fine_tuning/jobs/own_1/checkpoints", None, {"data": [{"id": "ftckpt"}]}, {"ftckpt"}),
        ("POST", "/v1/responses", {"model": "m"}, {"id": "r", "output": [{"id": "msg"}]}, {"r", "msg"}),
        ("POST", "/v1/responses", {"model": "m", "store": True}, {"id": "r"}, {"r"}),
        (
            "POST",
            "/v1/responses",
            {"model": "m", "store": False},
            {"id": "r", "output": [{"id": "msg"}]},
            set(),
        ),
        (
            "POST",
            "/v1/responses",
            {"model": "m", "store": False},
            {"id": "r", "output": [{"id": "ci", "container_id": "cntr"}]},
            {"cntr"},
        ),
        ("GET", "/v1/responses/own_1", None, {"id": "own_1", "output": [{"id": "msg"}]}, {"msg"}),
        ("POST", "/v1/conversations/own_1/items", {"items": []}, {"data": [{"id": "msg"}]}, {"msg"}),
        ("GET", "/v1/conversations/own_1/items", None, {"data": [{"id": "msg"}]}, {"msg"}),
        ("POST", "/v1/threads/runs", {}, {"id": "run", "thread_id": "thread"}, {"run", "thread"}),
        ("POST", "/v1/chat/completions", {"model": "m", "store": True}, {"id": "chat"}, {"chat"}),
        ("POST", "/v1/chat/completions", {"model": "m"}, {"id": "chat"}, set()),
        ("POST", "/v1/chat/completions", {"model": "m", "store": False}, {"id": "chat"}, set()),
        ("POST", "/v1/chat/completions", {"model": "m", "deferred": True}, {"request_id": "r"}, {"r"}),
        ("POST", "/v1/videos/generations", {"model": "m"}, {"request_id": "r"}, {"r"}),
        ("POST", "/v1/batch/jobs", {"model": "m"}, {"id": "job", "output_file": None}, {"job"}),
        (
            "POST",
            "/v1/conversations/own_1/items",
            {"items": [{"type": "message", "id": "chosen"}, {"type": "item_reference", "id": "own_1"}]},
            {"data": [{"id": "chosen"}, {"id": "own_1"}, {"id": "msg"}]},
            {"chosen", "msg"},
        ),
        (
            "POST",
            "/v1/responses",
            {"model": "m", "input": [{"type": "message", "id": "told", "content": "x"}]},
            {"id": "r", "output": [{"id": "told"}, {"id": "msg"}]},
            {"r", "msg"},
        ),
        ("GET", "/v1/conversations/own_1/items/told", None, {"id": "told"}, set()),
        (
            "POST",
            "/v1/responses",
            {"model": "m"},
            {"id": "r", "output": [{"result": "A" * 1_200_000}, {"id": "msg"}], "conversation": {"id": "c"}},
            {"r", "msg", "c"},
        ),
        ("POST", "/v1/responses", {"model": "m"}, {"text": "A" * 1_200_000, "id": "r"}, {"r"}),
        (
            "GET",
            "/v1/threads/own_1/messages",
            None,
            {"data": [{"content": [{"text": {"value": "A" * 1_200_000}}, {"image_file": {"file_id": "f"}}]}]},
            {"f"},
        ),
        ("POST", "/v1/messages", {"model": "claude"}, {"id": "msg", "container": {"id": "c"}}, set()),
        (
            "POST",
            "/v1/messages",
            {"model": "claude", "tools": [{"type": "code_execution_20250825"}]},
            {"id": "msg", "container": {"id": "c"}},
            {"c"},
        ),
        ("POST", "/v1/messages/batches", {"requests": []}, {"id": "batch"}, {"batch"}),
        (
            "GET",
            "/v1/messages/batches/own_1/results",
            None,
            b'{"custom_id":"x","result":{"message":{"id":"x","container":{"id":"c"}}}}\n{"custom_id":"y"}\n',
            {"c"},
        ),
        ("POST", "/v1/videos/own_1/remix", {"prompt": "x"}, {"id": "video"}, {"video"}),
        ("GET", "/v1/files", None, {"data": [{"id": "others"}]}, set()),
        ("GET", "/v1/files/own_1/content", None, {"id": "written by a caller"}, set()),
        ("GET", "/v1/files/own_1/content;x=y", None, {"id": "written by a caller"}, set()),
        ("GET", "/v1/files/own_1/%43ontent/", None, {"id": "written by a caller"}, set()),
        ("GET", "/v1/files/own_1/content%2F", None, {"id": "written by a caller"}, set()),
        ("GET", "/v1/files/own_1:download", None, {"name": "files/written"}, set()),
        ("GET", "/v1/files/own_1?ALT=media", None, {"name": "files/written"}, set()),
        (
            "GET",
            "/v1/batches/own_1",
            None,
            {"name": "batches/x", "response": {"responsesFile": "files/y"}},
            {"batches/x", "files/y"},
        ),
        ("GET", "/v1/containers/own_1/files/cfile/content", None, {"id": "written by a caller"}, set()),
        ("DELETE", "/v1/files/own_1", None, {"id": "x"}, set()),
        ("HEAD", "/v1/files/own_1", None, b"", set()),
        (
            "POST",
            "/v1/vector_stores/own_1/search",
            {"query": "x"},
            {"data": [{"file_id": "f", "attributes": {"id": "written by a caller"}}]},
            set(),
        ),
        ("POST", "/v1/evals", {"metadata": {"id": "x"}}, {"metadata": {"id": "written by a caller"}}, set()),
        ("POST", "/v1/anything", {"model": "m"}, {"id": "x"}, set()),
        ("POST", "/v1/embeddings", {"model": "m"}, {"id": "x"}, set()),
        ("POST", "/v1/realtime/client_secrets", {"session": {"model": "m"}}, {"id": "sess"}, set()),
        (
            "POST",
            "/v1/responses",
            {"model": "m", "metadata": {"file_id": "x"}},
            {"metadata": {"file_id": "x"}},
            set(),
        ),
    ],
)
@pytest.mark.parametrize("upstreams", [("one",), ("one", "two")])
async def test_a_project_has_what_its_answers_tell_of(
    method: str, path: str, body: object, answer: object, made: set[str], upstreams: tuple[str, ...]
) -> None:
    assert await _made_by(method, path, body, answer, upstreams=upstreams) == made


@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize("filler", ["A", "B\\"])
async def test_a_long_answer_with_a_content_coding_is_looked_into(filler: str, pieces: int) -> None:
    """However short it comes."""
    bench = _bench()
    document = {"id": "r", "output": [{"result": filler * 1_500_000}, {"id": "msg"}]}
    coded = gzip.compress(json.dumps(document).encode())
    cut = len(coded) // pieces + 1
    answer = bench.answers(*[coded[at : at + cut] for at in range(0, len(coded), cut)])
    answer.headers.append((b"content-encoding", b"gzip"))

    reply = await Caller("POST", "/v1/responses", b'{"model":"m"}').call(bench.plane)

    assert json.loads(reply.body) == document
    assert set(bench.placements.upstreams) == {"own_1", "r", "msg"}


@pytest.mark.parametrize("status", [302, 400, 500])
async def test_an_answer_that_is_not_good_tells_of_nothing(status: int) -> None:
    assert await _made_by("POST", "/v1/files", None, {"id": "file-1"}, status=status) == set()


async def test_a_realtime_call_is_told_by_its_location() -> None:
    bench = _bench()
    answer = bench.answers(b"v=0", status=201, kind=b"application/sdp")
    answer.headers.append((b"Location", b"/v1/realtime/calls/rtc_1"))
    body = b'{"model":"m","sdp":"v=0"}'
    await Caller("POST", "/v1/realtime/calls", body).call(bench.plane)
    assert set(bench.placements.upstreams) == {"own_1", "rtc_1"}


@pytest.mark.parametrize(("method", "path"), [("POST", "/cancel"), ("GET", ""), ("POST", "/anything")])
async def test_an_answer_about_a_response_leaves_what_waits_for_its_end(method: str, path: str) -> None:
    bench = _bench()
    event = bench.placements.waiting["own_1"] = an_event()
    bench.answers(b'{"id":"own_1","status":"in_progress","output":[{"id":"msg"}]}')
    reply = await Caller(method, f"/v1/responses/own_1{path}").call(bench.plane)
    assert reply.status == 200
    assert bench.placements.waiting == {"own_1": event}
    assert "msg" in bench.placements.upstreams


async def test_the_first_project_keeps_what_an_upstream_gives_to_two() -> None:
    bench = _bench()
    bench.placements.keep("resp_1", "one", "prj_2")
    bench.answers(b'{"id":"resp_1","output":[{"id":"msg_1"}]}')
    await Caller("POST", "/v1/responses", b'{"model":"m"}').call(bench.plane)
    assert bench.placements.projects == {"own_1": "prj_1", "resp_1": "prj_2", "msg_1": "prj_1"}


async def test_what_a_stream_tells_later_is_remembered_before_it_passes() -> None:
    bench = _bench()
    pieces = [
        b'data: {"type":"response.created","response":{"id":"resp_1"}}\n\n',
        b'data: {"type":"response.output_item.added","item":{"id":"msg_1","container_id":"cntr_1"}}\n\n',
        b'data: {"type":"response.completed","response":{"id":"resp_1","output":[{"id":"msg_2"}]}}\n\n',
    ]
    for method, path in [("POST", "/v1/responses"), ("GET", "/v1/responses/own_1")]:
        bench.placements.upstreams = {"own_1": "one"}
        bench.streams(*pieces)
        body = b'{"model":"m","stream":true}' if method == "POST" else b""
        caller = Caller(method, path, body, query=b"" if body else b"stream=true")

        async def see(message: dict[str, object]) -> None:
            for one in ("resp_1", "msg_1", "cntr_1", "msg_2"):
                if f'"{one}"' in str(message.get("body", "")):
                    assert one in bench.placements.upstreams

        caller.on_send = see
        reply = await caller.call(bench.plane)
        assert reply.body == b"".join(pieces)
        assert set(bench.placements.upstreams) == {"own_1", "resp_1", "msg_1", "cntr_1", "msg_2"}


async def test_the_caller_gets_what_a_store_that_is_away_can_not_take() -> None:
    bench = _bench()
    bench.placements.away = True
    for path, answer in [
        ("/v1/responses", b'{"id":"r","output":[{"id":"m"}]}'),
        ("/v1/files", b'{"id":"f"}'),
    ]:
        bench.answers(answer)
        assert (await Caller("POST", path, b'{"model":"m"}').call(bench.plane)).body == answer


@pytest.mark.parametrize("line", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("before", "made"), [("", True), (": ping", True), ("event: ping\ndata: {}", True), ("data: {}", False)]
)
async def test_no_more_of_a_stream_is_held_back_than_names_what_is_made(
    before: str, made: bool, line: str
) -> None:
    """A stream that goes on without naming it is passed on, too."""
    kept = Kept()
    named = [before] if made else [before] * 4
    events = [*named, 'event: response.created\ndata: {"response":{"id":"resp_1234"}}']
    pieces = [f"{event}\n\n".replace("\n", line).encode() for event in events if event]
    never = asyncio.Event()
    caller, plan = planned("/v1/responses", Peek("m"))

    async with asyncio.timeout(DEADLINE):
        answer = await KeptAnswers(kept).remember(
            caller, plan, Answer((*pieces, never), 200, []), asked_stream=True
        )
        assert bool(kept.upstreams) is made
        first = pieces[: len(pieces) if made else 4]
        came = b""
        async for part in answer.chunks():
            came += part
            if len(came) >= len(b"".join(first)):
                break
    assert came == b"".join(first)
