"""Which requests run the models of a kept thing, and which models a thing and a batch's lines name."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.request.batch_lines import Line, Lines
from tollkeeper_server.dataplane.request.endpoint import match
from tollkeeper_server.dataplane.request.kept_models import LookUp, find_look_up, models_in
from tollkeeper_server.dataplane.request.peek import NO_PEEK, peek_json
from tollkeeper_server.errors import Reason, TollkeeperError


def _input(file: str) -> LookUp:
    """Return the look-up of a batch's only input."""
    return LookUp((f"/files/{file}/content",), "input_file_id", is_batch=True, is_all=True)


def _look_up(path: str, body: object = None, *, limited: bool = True) -> LookUp | None:
    written = body if isinstance(body, bytes) else json.dumps(body).encode()
    peek = NO_PEEK if body is None else peek_json(written)
    return find_look_up(match(path.encode(), "POST"), peek, b"" if body is None else written, limited=limited)


@pytest.mark.parametrize(
    ("path", "body", "found"),
    [
        ("/v1/batches", {"input_file_id": "f-1"}, _input("f-1")),
        ("/batches", {"input_file_id": "a/b", "model": "m"},
         _input("a%2Fb")),
        ("/v1//Batches/", {"input_file_id": "f"}, _input("f")),
        ("/openai/batches", {"input_file_id": "f"}, _input("f")),
        ("/batches", b'{"input_file\\u005fid": "f"}', _input("f")),
        ("/v1/threads/runs", {"assistant_id": "asst_1"}, LookUp(("/assistants/asst_1",), "assistant_id")),
        ("/v1/threads/t_1/runs", {"assistant_id": "asst_1"}, LookUp(("/assistants/asst_1",), "assistant_id")),
        ("/v1/threads/t_1/runs", {"assistant_id": "asst_1", "model": "m"}, None),
        ("/v1/evals/eval_1/runs", {"model": "m"}, LookUp(("/evals/eval_1",), "path", is_beside=True)),
        ("/v1/videos/video_1/remix", {"model": "m"}, LookUp(("/videos/video_1",), "path")),
        ("/v1/%76ideos/video_1/REMIX", {}, LookUp(("/videos/video_1",), "path")),
        ("/v1/videos/edits", {"video": {"id": "video_1"}}, LookUp(("/videos/video_1",), "video")),
        ("/v1/fine_tuning/jobs/ftjob-1/resume", None, LookUp(("/fine_tuning/jobs/ftjob-1",), "path")),
        ("/v1/responses", {"model": "m", "previous_response_id": "resp_1"}, None),
        ("/v1/batches/batch_1/cancel", None, None),
        ("/v1/batches;x=y", {"input_file_id": "f"}, _input("f")),
        ("/v1/batches%2F", {"input_file_id": "f"}, _input("f")),
        ("/v1/openai/batches", {"input_file_id": "f"}, _input("f")),
        ("/v1/videos;x/video_1/remix;y", {"model": "m"}, LookUp(("/videos/video_1",), "path")),
        ("/v1/openai/v1/videos/video_1/remix", {"model": "m"}, LookUp(("/videos/video_1",), "path")),
        ("/v1/batch/jobs", {"model": "m", "input_files": ["f", "g"]},
         LookUp(("/files/f/content", "/files/g/content"), "input_files", True, True)),
        ("/v1/agents/completions", {"agent_id": "ag"}, LookUp(("/agents/ag",), "agent_id")),
        ("/v1/agents/completions", {"agent_id": "ag", "model": "m"}, LookUp(("/agents/ag",), "agent_id")),
        ("/v1/conversations", {"agent_id": "ag", "inputs": "x"}, LookUp(("/agents/ag",), "agent_id")),
        ("/v1/conversations", {"model": "m", "inputs": "x"}, None),
        ("/v1/conversations", {"items": [], "metadata": {}}, None),
        ("/v1/conversations", None, None),
        ("/v1/conversations/c", {"metadata": {}}, None),
        ("/v1/conversations/c/items", {"items": []}, None),
        ("/v1/conversations/c", {"inputs": "x"}, LookUp(("/conversations/c",), "path")),
        ("/v1/conversations/c/restart", {"inputs": "x"}, LookUp(("/conversations/c",), "path")),
        ("/v1/sessions", {"agent": {"id": "ag"}, "model": "m"}, LookUp(("/agents/ag",), "agent")),
    ],
)  # fmt: skip
def test_requests_that_run_the_models_of_kept_things(path: str, body: object, found: LookUp | None) -> None:
    assert _look_up(path, body) == found


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/batches", None),
        ("/v1/batches", {}),
        ("/v1/batches", {"model": "m", "requests": []}),
        ("/v1/batches", {"model": "m", "input_file_id": "file-1", "input_blob": "https://x"}),
        ("/v1/batches", {"model": "m", "input_file_id": ["file-1"]}),
        ("/v1/threads/runs", {}),
        ("/v1/videos/edits", {"model": "m", "video": {"url": "x"}}),
        ("/v1/videos/extensions", None),
        ("/v1/batch/jobs", {"model": "m", "requests": []}),
        ("/v1/batch/jobs", {"input_files": ["f"]}),
        ("/v1/batch/jobs", {"model": "m", "input_files": ["f"], "agent_id": "ag"}),
        ("/v1/conversations", {"inputs": "x"}),
        ("/v1/sessions", {}),
    ],
)
def test_what_cant_be_told_is_refused_to_limited_tokens(path: str, body: object) -> None:
    with pytest.raises(TollkeeperError) as refused:
        _look_up(path, body)
    assert refused.value.reason is Reason.MODEL_NOT_ALLOWED
    assert _look_up(path, body, limited=False) is None or "/batch" in path


def test_a_batch_that_may_have_another_input_is_read_as_far_as_it_can_be() -> None:
    found = _look_up("/v1/batches", {"input_file_id": "f", "input_blob": "https://x"}, limited=False)
    assert found == LookUp(("/files/f/content",), "input_file_id", is_batch=True)


@pytest.mark.parametrize(
    "body", [b'{"input_file_id":"a","input_file_id":"b"}', b'{"input_file_id":"a","Input_File_Id":"b"}']
)
@pytest.mark.parametrize("limited", [True, False])
def test_a_file_that_is_named_twice_is_refused(body: bytes, limited: bool) -> None:
    with pytest.raises(TollkeeperError) as refused:
        _look_up("/v1/batches", body, limited=limited)
    assert refused.value.reason in {Reason.INVALID_ARGUMENT, Reason.MODEL_NOT_ALLOWED}


@pytest.mark.parametrize(
    ("document", "models"),
    [
        (b'{"id":"asst_1","model":"a"}', ["a"]),
        (b'{"model":"a","model":"b"}', ["b", "a"]),
        (b'{"model":"a","Model":"b"}', ["a", "b"]),
        (b'{"m\\u006fdel":"b","model":"a"}', ["a", "b"]),
        (b'{"model":"a","tools":[{"type":"x","model":"c"}]}', ["a", "c"]),
        (b'{"testing_criteria":[{"model":"g"},{"name":"x"}]}', ["g"]),
        (b'{"id":"eval_1"}', []),
        (b'{"model":null}', []),
    ],
)
def test_the_models_of_a_thing(document: bytes, models: list[str]) -> None:
    assert models_in(document) == models


def _read(file: bytes, size: int = 1 << 20, max_line: int = 1000) -> list[Line]:
    lines = Lines(max_line)
    read: list[Line] = []
    for start in range(0, len(file), size):
        read += lines.read(lines.feed(file[start : start + size]))
    rest = lines.rest()
    return read + (lines.read(rest + b"\n") if rest else [])


def _line(url: str = "/v1/chat/completions", **body: object) -> bytes:
    return json.dumps({"custom_id": "x", "method": "POST", "url": url, "body": body}).encode()


@given(
    st.lists(st.sampled_from([b"", b" ", _line(model="a"), _line(model="b", messages=["é"])]), max_size=6),
    st.sampled_from([b"\n", b"\r\n"]),
    st.booleans(),
    st.integers(1, 40),
)
def test_lines_are_read_however_they_come(
    lines: list[bytes], line_break: bytes, ends: bool, size: int
) -> None:
    file = line_break.join(lines) + (line_break if ends and lines else b"")
    wanted = [
        (number, [json.loads(line)["body"]["model"]])
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    assert [(line.number, line.models) for line in _read(file, size)] == wanted


@pytest.mark.parametrize(
    ("line", "models", "runs_unnamed"),
    [
        (_line(model="a"), ["a"], True),
        (_line("/v1/embeddings", model="a"), ["a"], True),
        (_line(model="a", models=["b"], tools=[{"model": "c"}]), ["a", "b", "c"], True),
        (_line("/openai/deployments/d/chat/completions", model="a"), ["a", "d"], True),
        (_line("/v1/responses", input="x"), [], True),
        (b'{"url":"/v1/completions","body":{"model":"a"},"body":{"model":"b"}}', ["a", "b"], True),
        (b'{"url":"/v1/completions","body":{"model":"a"},"Body":{"model":"b"}}', ["a", "b"], True),
        (b'{"url":"/v1/completions","body":{"model":"a"},"b\\u006fdy":{"model":"b"}}', ["a", "b"], True),
        (b'{"body":{"model":"a"}}', ["a"], True),
        (b'\xef\xbb\xbf{"url":"/v1/completions","body":{"model":"a"}}', ["a"], True),
    ],
)
def test_every_model_that_a_line_names_counts(line: bytes, models: list[str], runs_unnamed: bool) -> None:
    (read,) = _read(line)
    assert (list(read.models), read.runs_unnamed) == (models, runs_unnamed)


@pytest.mark.parametrize(
    "line",
    [
        b"x",
        b"[]",
        b'{"url":"/v1/completions","body":[]}',
        b'{"url":"/v1/completions","body":"x"}',
        b'{"url":7,"body":{}}',
        b'{"url":"https://elsewhere/v1/completions","body":{}}',
        b'{"url":"/v1/../completions","body":{}}',
        b'{"url":"/v1/completions?model=x","body":{"model":"a"}}',
        b'{"url":"/v1/completions","body":{"model":"a"}}\r{"url":"/v1/completions","body":{"model":"b"}}',
        b'{"url":"/v1/completions","body":{"model":7}}',
        b'{"a":"' + b"x" * 2000,
        json.dumps({"url": "/v1/completions"}).encode("utf-16"),
    ],
)
def test_a_line_that_cant_be_read_is_refused_by_its_number(line: bytes) -> None:
    with pytest.raises(TollkeeperError) as refused:
        _read(_line(model="a") + b"\n" + line)
    assert refused.value.reason is Reason.INVALID_ARGUMENT
    assert refused.value.message.startswith("input_file_id: line ")


@given(st.binary(max_size=80))
def test_no_file_is_too_odd(file: bytes) -> None:
    for beginning in (b"", b'{"url":"/v1/completions","body":{'):
        try:
            _read(beginning + file)
        except TollkeeperError as error:
            assert error.reason is Reason.INVALID_ARGUMENT  # noqa: PT017 - it may as well be read
