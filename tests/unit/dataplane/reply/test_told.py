"""Answers tell ids where upstreams put them, and nowhere else."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.reply.told import (
    BESIDE,
    KEPT,
    MAX_ID,
    MAX_TOLD,
    OF_MESSAGES,
    Places,
    Telling,
    told_ids,
)

RESPONSE = {
    "id": "resp_1",
    "conversation": {"id": "conv_1"},
    "metadata": {"id": "x", "file_id": "x"},
    "instructions": '{"id":"x"}',
    "input": [{"id": "x", "file_id": "x"}],
    "tools": [{"container_id": "x", "parameters": {"id": "x"}}],
    "output": [
        {"type": "code_interpreter_call", "id": "ci_1", "container_id": "cntr_1", "results": [{"id": "x"}]},
        {"type": "function_call", "id": "fc_1", "arguments": '{"file_id":"x"}'},
        {
            "type": "message",
            "id": "msg_1",
            "content": [
                {
                    "text": '"id":"x"',
                    "annotations": [
                        {"type": "container_file_citation", "file_id": "cfile_1", "container_id": "cntr_2"}
                    ],
                }
            ],
        },
    ],
}


@pytest.mark.parametrize(
    ("document", "ids"),
    [
        (RESPONSE, ["resp_1", "conv_1", "ci_1", "cntr_1", "fc_1", "msg_1", "cfile_1", "cntr_2"]),
        (
            {"type": "response.completed", "response": {"id": "resp_1", "output": [{"id": "a"}]}},
            ["resp_1", "a"],
        ),
        ({"type": "response.output_item.added", "item": {"id": "a", "container_id": "c"}}, ["a", "c"]),
        ({"annotation": {"file_id": "f", "container_id": "c", "url": "x"}, "item_id": "x"}, ["f", "c"]),
        (
            {"id": "batch_1", "input_file_id": "x", "output_file_id": "f", "error_file_id": "g"},
            ["batch_1", "f", "g"],
        ),
        (
            {"id": "ftjob", "result_files": ["f", "g"], "fine_tuned_model": "ft:m"},
            ["ftjob", "f", "g", "ft:m"],
        ),
        ({"id": "upload", "file": {"id": "f", "name": "x"}}, ["upload", "f"]),
        ({"id": "run", "thread_id": "t", "assistant_id": "x"}, ["run", "t"]),
        ({"data": [{"id": "m", "content": [{"image_file": {"file_id": "f"}}]}]}, ["m", "f"]),
        (
            {"content": [{"text": {"value": "x", "annotations": [{"file_path": {"file_id": "f"}}]}}]},
            ["f"],
        ),
        (
            {
                "step_details": {
                    "tool_calls": [{"code_interpreter": {"outputs": [{"image": {"file_id": "f"}}]}}]
                }
            },
            ["f"],
        ),
        ({"id": "a", "tool_resources": {"file_search": {"vector_store_ids": ["vs"]}}}, ["a", "vs"]),
        ({"job": {"id": "b", "input_file_id": "x", "output_file_id": "f"}, "warning": ""}, ["b", "f"]),
        ({"id": "b", "input_files": ["x"], "output_file": "f", "error_file": "g"}, ["b", "f", "g"]),
        ({"conversation_id": "c", "outputs": [{"content": [{"file_id": "f"}]}]}, ["c", "f"]),
        ({"request_id": "r"}, ["r"]),
        ({"id": "task", "generations": [{"id": "gen"}]}, ["task", "gen"]),
        ({"id": "größe/🚀"}, ["größe/🚀"]),
        ({"id": 7, "output_file_id": None}, []),
        ({"id": ""}, []),
        ({"id": "a\nb"}, []),
        ({"id": "x" * (MAX_ID + 1)}, []),
        ([{"id": "listed"}], ["listed"]),
        ("id", []),
    ],
)
def test_a_document_tells_the_ids_of_what_is_kept(document: object, ids: list[str]) -> None:
    for written in (json.dumps(document), json.dumps(document, ensure_ascii=False, indent=1)):
        assert told_ids(written.encode(), KEPT) == ids


def test_of_what_is_not_kept_it_tells_what_tools_have_made() -> None:
    assert told_ids(json.dumps(RESPONSE).encode(), BESIDE) == ["conv_1", "cntr_1", "cfile_1", "cntr_2"]


def test_a_message_tells_its_container_and_the_files_that_code_made() -> None:
    result = {"type": "code_execution_result", "content": [{"file_id": "f"}]}
    ran = {"type": "code_execution_tool_result", "tool_use_id": "x", "content": result}
    message = {
        "id": "x",
        "container": {"id": "c"},
        "content": [
            {"type": "tool_use", "id": "x", "input": {"file_id": "x"}},
            ran,
        ],
    }
    assert told_ids(json.dumps(message).encode(), OF_MESSAGES) == ["c", "f"]
    line = {"custom_id": "x", "result": {"type": "succeeded", "message": message}}
    assert told_ids(json.dumps(line).encode(), OF_MESSAGES) == ["c", "f"]
    block = {"type": "content_block_start", "content_block": ran}
    assert told_ids(json.dumps(block).encode(), OF_MESSAGES) == ["f"]


def test_of_a_document_that_is_cut_the_whole_ids_are_told() -> None:
    written = json.dumps(RESPONSE).encode()
    whole = told_ids(written, KEPT)
    for end in range(len(written)):
        told = told_ids(written[:end], KEPT)
        assert told == whole[: len(told)]


@given(st.lists(st.integers(0, 700), max_size=20), st.sampled_from(["", "\n", "\\", '"', "\\\\"]))
def test_a_document_tells_the_same_in_pieces(cuts: list[int], end: str) -> None:
    document = {"object": "x", "output": [{"result": "A" * 100_000 + end, "id": 7}], "data": [RESPONSE]}
    written = json.dumps(document, indent=1).encode()
    places = sorted({len(written) - cut for cut in cuts} | {50_000, len(written)})
    telling = Telling(KEPT, {})
    for start, stop in zip([0, *places], places, strict=False):
        for _ in telling.walk(written[start:stop], is_last=False):
            pass
    assert [*telling.found] == told_ids(written, KEPT)


_NAMES = st.sampled_from(
    ["id", "output", "data", "job", "item", "file", "content", "annotations", "file_id", "result_files", "x"]
)
_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.integers()
    | st.text(max_size=4)
    | st.sampled_from(["x" * MAX_ID, "ö" * MAX_ID, "z" * 600]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=5),
    max_leaves=25,
)


@given(_VALUES, st.booleans(), st.sampled_from([None, 1]), st.sampled_from([KEPT, BESIDE, OF_MESSAGES]))
def test_a_decoder_and_the_walk_find_the_same(
    value: Any, ascii_only: bool, indent: int | None, places: Places
) -> None:
    """The walk is for what a decoder refuses: a document that is cut, or has `NaN` in it."""
    written = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    walked: dict[str, None] = {}
    for _ in Telling(places, walked).walk(written, is_last=True):
        pass
    if places.may_tell(written):
        assert told_ids(written, places) == [*walked]
        refused = written + b" NaN"
        with pytest.raises(msgspec.DecodeError):
            msgspec.json.decode(refused)
        assert told_ids(refused, places) == [*walked]


def test_of_an_id_that_comes_twice_the_last_one_counts_as_for_whoever_reads_it() -> None:
    assert told_ids(b'{"id":"a","id":"b"}', KEPT) == ["b"]


def test_no_document_tells_more_than_so_many() -> None:
    assert len(told_ids(json.dumps({"result_files": [*map(str, range(5000))]}).encode(), KEPT)) == MAX_TOLD


@given(st.binary(max_size=80))
def test_no_document_is_too_odd(document: bytes) -> None:
    told_ids(b'{"id":"a","output":[' + document, KEPT)
    told_ids(document + b'"id":"a"', KEPT)
