"""What an upstream keeps is reached there again by its id."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.affinity import Affinity, referred
from tollkeeper_server.dataplane.request.endpoint import match

from tests.unit.dataplane.caller import DEADLINE, Caller
from tests.unit.dataplane.configured import member_on, route, snapshot, target
from tests.unit.dataplane.exchanges import exchange
from tests.unit.dataplane.gateway import Bench, Kept
from tests.unit.dataplane.upstream import Answer


def _referred(path: str, body: object = None, method: str = "POST") -> list[str]:
    written = b"" if body is None else json.dumps(body).encode()
    return list(referred(match(path.encode(), method), written))


@pytest.mark.parametrize(
    ("path", "ids"),
    [
        ("/v1/files/file-abc123", ["file-abc123"]),
        ("/v1/files/file-abc123/content", ["file-abc123"]),
        ("/v1/batches/batch_1234/cancel", ["batch_1234"]),
        ("/v1/fine_tuning/jobs/ftjob-1234/events", ["ftjob-1234"]),
        ("/v1/threads/thread_1234/runs/run_5678", ["thread_1234"]),
        ("/v1/vector_stores/vs_1234/files", ["vs_1234"]),
        ("/v1/responses/resp_1234/input_items", ["resp_1234"]),
        ("/v1/uploads/upload_1234/parts", ["upload_1234"]),
        ("/v1//responses//resp_1234", ["resp_1234"]),
        ("/v1/responses/resp_bGl0ZQ==", ["resp_bGl0ZQ=="]),
        ("/v1/responses/resp_bGl0ZQ%3D%3D/cancel", ["resp_bGl0ZQ=="]),
        ("/v1/files", []),
        ("/v1/fine_tuning/jobs", []),
        ("/v1/threads/runs", []),
        ("/v1/files/a%20b%3Fc", []),
    ],
)
def test_a_path_names_what_it_is_about(path: str, ids: list[str]) -> None:
    assert _referred(path) == ids


@pytest.mark.parametrize(
    ("path", "body", "ids"),
    [
        ("/v1/responses", {"model": "m", "previous_response_id": "resp_1234"}, ["resp_1234"]),
        ("/v1/responses", {"conversation": "conv_1234"}, ["conv_1234"]),
        ("/v1/responses", {"conversation": {"id": "conv_1234"}}, ["conv_1234"]),
        ("/v1/batches", {"input_file_id": "file-abc123"}, ["file-abc123"]),
        ("/v1/fine_tuning/jobs", {"training_file": "file-abc123"}, ["file-abc123"]),
        ("/v1/threads/runs", {"assistant_id": "asst_1234"}, ["asst_1234"]),
        ("/v1/vector_stores", {"file_ids": ["file-abc123", "file-def456"]}, ["file-abc123"]),
        ("/v1/threads/thread_1234/runs", {"assistant_id": "asst_1234"}, ["thread_1234", "asst_1234"]),
        ("/v1/responses", {"previous_response_id": 7}, []),
        ("/v1/responses", {"conversation": ["x"]}, []),
        ("/v1/responses", {"previous_response_id": "a b"}, []),
    ],
)
def test_a_body_names_what_it_refers_to(path: str, body: object, ids: list[str]) -> None:
    assert _referred(path, body) == ids


@given(st.binary(max_size=80))
def test_no_body_is_too_odd(body: bytes) -> None:
    assert list(referred(match(b"/v1/responses", "POST"), b"{" + body)) in ([], [*_strings(b"{" + body)])


def _strings(body: bytes) -> list[str]:
    try:
        read = json.loads(body)
    except ValueError:
        return []
    return [value for value in read.values() if isinstance(value, str)]


@pytest.mark.parametrize(
    ("path", "pieces", "made"),
    [
        ("/v1/files", [b'{"object":"file","id":"file-', b'abc123"}'], "file-abc123"),
        ("/v1/responses", [b'{"output":[{"id":"msg_9999"}],"id":"resp_1234"}'], "resp_1234"),
        (
            "/v1/responses",
            [b'event: response.created\ndata: {"response":{"id":"re', b'sp_1234"}}\n\n', b"data: {}\n\n"],
            "resp_1234",
        ),
    ],
)
async def test_what_is_made_is_remembered_before_the_caller_learns_of_it(
    path: str, pieces: list[bytes], made: str
) -> None:
    kept = Kept()
    caller = exchange(path)
    caller.upstream = "one"

    answer = await Affinity(kept).remember(caller, Answer(tuple(pieces), 200, []), b"")

    assert kept.upstreams == {made: "one"}
    assert kept.projects == {made: "prj_1"}
    assert b"".join([chunk async for chunk in answer.chunks()]) == b"".join(pieces)


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("POST", 400), ("DELETE", 200)])
async def test_nothing_else_is_remembered(method: str, status: int) -> None:
    targets = {name: target(name) for name in ("one", "two")}
    bench = Bench(snapshot(targets=targets, default=targets["one"]))
    bench.answers(b'{"id":"file-abc123"}', status=status)

    await Caller(method, "/v1/files").call(bench.plane)

    assert bench.placements.upstreams == {}


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

    async with asyncio.timeout(DEADLINE):
        answer = await Affinity(kept).remember(
            exchange("/v1/responses"), Answer((*pieces, never), 200, []), b""
        )

    assert answer.held == b"".join(pieces[: len(pieces) if made else 4])
    assert bool(kept.upstreams) is made


async def test_the_first_that_is_known_decides() -> None:
    kept = Kept()
    kept.upstreams = {"asst_1234": "two"}
    body = b'{"assistant_id":"asst_1234"}'

    assert await Affinity(kept).find(match(b"/v1/threads/thread_1234/runs", "POST"), body) == "two"
    assert await Affinity(kept).find(match(b"/v1/threads/thread_1234/runs", "POST"), b"") is None


@pytest.mark.parametrize(
    ("path", "upstreams", "kept"),
    [
        ("/v1/files", ("one",), set()),
        ("/v1/files", ("one", "two"), {"file-abc123"}),
        ("/v1/chat/completions", ("one", "two"), set()),
    ],
)
async def test_where_there_is_one_upstream_there_is_nothing_to_remember(
    path: str, upstreams: tuple[str, ...], kept: set[str]
) -> None:
    targets = {name: target(name) for name in upstreams}
    configured = snapshot(route("m", member_on(targets["one"])), targets=targets, default=targets["one"])
    bench = Bench(configured)
    bench.answers(b'{"id":"file-abc123"}')

    await Caller("POST", path, b'{"model":"m"}').call(bench.plane)

    assert bench.placements.upstreams.keys() == kept
