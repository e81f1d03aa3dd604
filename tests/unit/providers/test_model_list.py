"""What upstreams list is read in the forms that they have."""

import json
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.providers.model_list import MAX_MODELS, UNKNOWN_TIME, read_model_list

THEN = datetime(2024, 5, 13, 12, tzinfo=UTC)
SECONDS = int(THEN.timestamp())


@pytest.mark.parametrize(
    "document",
    [
        {"object": "list", "data": [{"id": "m", "object": "model", "created": SECONDS, "owned_by": "x"}]},
        {"data": [{"id": "m", "type": "model", "created_at": "2024-05-13T12:00:00Z"}], "has_more": False},
        {"models": [{"model": "m"}], "data": [{"id": "m", "created": SECONDS}]},
        {"models": [{"name": "m", "created": SECONDS, "endpoints": ["chat"]}]},
        [{"id": "m", "created": SECONDS, "pricing": {"input": 1}}],
        {"data": [{"id": "m", "created": float(SECONDS), "created_at": 3}]},
    ],
    ids=["openai", "anthropic", "llama.cpp", "cohere", "together", "odd"],
)
def test_the_usual_forms_are_read(document: object) -> None:
    written = json.dumps(document).encode()
    assert read_model_list(written) == read_model_list(b"\xef\xbb\xbf" + written) == {"m": THEN}


@pytest.mark.parametrize(
    "entry",
    [
        {"id": "m"},
        {"id": "m", "created": None},
        {"id": "m", "created": -1},
        {"id": "m", "created": 1_715_601_600_000},
        {"id": "m", "created": "yesterday", "created_at": "then"},
        {"id": "m", "created_at": "0001-01-01T00:00:00+23:59"},
    ],
)
def test_a_time_that_is_not_said_is_unknown(entry: object) -> None:
    assert read_model_list(json.dumps({"data": [entry]}).encode()) == {"m": UNKNOWN_TIME}


def test_an_odd_entry_hides_no_other() -> None:
    odd = b'null, 3, "text", [], {}, {"id": 7}, {"id": null}, {"name": ["x"]}, {"id": "\xff"}'

    read = read_model_list(b'{"data": [{"id": "a"}, ' + odd + b', {"id": "b"}, {"id": "a"}]}')

    assert list(read) == ["a", "b"]


def test_no_more_than_so_many_are_read() -> None:
    many = [{"id": f"m-{number}"} for number in range(MAX_MODELS + 1)]

    assert list(read_model_list(json.dumps(many).encode())) == [it["id"] for it in many[:MAX_MODELS]]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{}",
        b'{"data": 3}',
        b'{"data": null}',
        b'"x"',
        b"\xff",
        b'{"error": {}}',
        b"[" * 9999,
    ],
)
def test_what_is_no_list_is_an_error_that_shows_nothing_of_it(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"its (list of models can't be read|answer has no list of models)"):
        read_model_list(body)


@given(st.binary())
def test_whatever_comes_is_read_or_refused(body: bytes) -> None:
    with suppress(ValueError):
        read_model_list(body)
