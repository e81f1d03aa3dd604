"""Models that a body names deeper are found wherever a server may read them, and nowhere else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.request import named as module
from tollkeeper_server.dataplane.request.named import (
    MAX_MODELS,
    Named,
    Place,
    find_named,
    named_in,
    rename_places,
    walk_named,
)
from tollkeeper_server.dataplane.turns import SIGNS
from tollkeeper_server.errors import Reason, TollkeeperError


def _find(body: Any, *, has_model: bool = False) -> Named | None:
    written = body if isinstance(body, bytes) else json.dumps(body).encode()
    return find_named(written, has_model=has_model)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"model": {"id": "m", "speed": "fast"}}, "model.id"),
        ({"models": ["m"]}, "models"),
        ({"session": {"type": "realtime", "model": "m"}}, "session.model"),
        ({"requests": [{"custom_id": "a", "params": {"model": "m"}}]}, "requests.params.model"),
        ({"data_source": {"type": "completions", "model": "m"}}, "data_source.model"),
        ({"input_audio_transcription": {"model": "m"}}, "input_audio_transcription.model"),
        (
            {"session": {"type": "transcription", "audio": {"input": {"transcription": {"model": "m"}}}}},
            "session.audio.input.transcription.model",
        ),
        ({"grader": {"type": "score_model", "model": "m"}}, "grader.model"),
        ({"grader": {"type": "multi", "graders": {"model": "m"}}}, "grader.graders.model"),
        ({"grader": {"type": "multi", "graders": [{"model": "m"}]}}, "grader.graders.model"),
        ({"grader": {"type": "multi", "graders": {"one": {"model": "m"}}}}, "grader.graders.*.model"),
        (
            {"name": "x", "testing_criteria": [{"type": "label_model", "model": "m"}]},
            "testing_criteria.model",
        ),
    ],
)
def test_what_names_the_model_of_a_request_decides(body: Any, field: str) -> None:
    found = _find(body)

    assert found is not None
    assert (found.deciding, found.others) == ({"m": field}, {})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"model": "top", "session": {"model": "m"}}, "session.model"),
        (
            {"model": "top", "method": {"reinforcement": {"grader": {"model": "m"}}}},
            "method.reinforcement.grader.model",
        ),
        ({"model": "top", "fallbacks": [{"model": "m"}]}, "fallbacks.model"),
        ({"model": "top", "fallbacks": ["m"]}, "fallbacks"),
        ({"model": "top", "fallbacks": [{"top": ["m"]}]}, "fallbacks.*"),
        ({"model": "top", "fallbacks": [{"model": "m", "speed": "fast"}]}, "fallbacks.model"),
        ({"model": "top", "models": ["m"]}, "models"),
        ({"model": "top", "tools": [{"type": "image_generation", "model": "m"}]}, "tools.model"),
        ({"model": "top", "moderation": {"model": "m"}}, "moderation.model"),
        ({"model": "top", "svg": {"model": "m"}}, "svg.model"),
    ],
)
def test_beside_a_model_of_the_request_they_are_others(body: Any, field: str) -> None:
    found = _find(body, has_model=True)

    assert found is not None
    assert (found.deciding, found.others) == ({}, {"m": field})


def test_beside_a_model_that_the_path_names_they_are_others() -> None:
    found = find_named(b'{"session":{"model":"m"}}', has_model=False, by_path=True)

    assert found is not None
    assert (found.deciding, found.others) == ({}, {"m": "session.model"})


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"top","tools":[{"m\\u006fdel":"m"}]}',
        b'{"model":"top","fall\\u0062acks":["m"]}',
        b'{"model":"top","model\\u0073":["m"]}',
        b'{"model":"top","Models":["m"]}',
        '{"model":"top","model\u017f":["m"],"fallbac\u212as":[]}'.encode(),
        b'{"model":"top","model\\u017F":["m"]}',
        b'{"model":"top","fallbac\\u212As":["m"]}',
        b'{"model":"top","TOOLS":[{"MODEL":"m"}]}',
    ],
)
def test_a_model_beside_the_requests_own_is_found_in_any_spelling(body: bytes) -> None:
    found = find_named(body, has_model=True)

    assert found is not None
    assert list(found.others) == ["m"]


def test_what_decides_comes_before_what_else_is_named() -> None:
    found = _find(
        {
            "tools": [{"model": "tool"}],
            "session": {"audio": {"input": {"transcription": {"model": "whisper"}}}, "model": "gpt-realtime"},
        }
    )

    assert found is not None
    assert found.deciding == {"gpt-realtime": "session.model"}
    assert found.others == {
        "tool": "tools.model",
        "whisper": "session.audio.input.transcription.model",
    }


def test_a_batch_names_each_model_once_in_order() -> None:
    found = _find({"requests": [{"params": {"model": name}} for name in ("b", "a", "b")]})

    assert found is not None
    assert list(found.deciding) == ["b", "a"]
    assert len(found.places) == 3


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"model":"m","messages":[{"role":"user","content":"{\\"session\\":{\\"model\\":\\"x\\"}}"}]}',
        b'{"messages":[{"session":{"model":"x"}}]}',
        b'{"params":{"model":"x"},"metadata":{"model":"x"}}',
        b'{"session":{"x":{"model":"x"}},"requests":[{"model":"x"}]}',
        b'{"session":{"model":{"model":"x"}},"requests":["model"]}',
        b'{"session":{"model":1,"x":"y"},"grader":null,"models":[1,{"a":"b"}]}',
        b'{"tools":[{"function":{"parameters":{"properties":{"model":{"type":"string"}}}}}]}',
    ],
)
def test_what_no_server_reads_as_a_model_is_none(body: bytes) -> None:
    assert _find(body) is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"session":{"model":"seen","model":"last"}}',
        b'{"session":{"model":"seen"},"session":{"model":"last"}}',
        b'{"SESSION":{"model":"seen"},"session":{"Model":"last"}}',
        '{"\u017fession":{"model":"seen"},"session":{"mod\\u0065l":"last"}}'.encode(),
        b'{"\\u0073ession" : {"model"\n: "seen"},"session":{ "model" :\t"l\\u0061st" } }',
        b'{"session":[[{"model":"seen"}],{"model":"last"}]}',
        b'{"x":"\\\\","y":"\\\\\\"","session":{"model":"seen","z":"\\"","model":"last"}}',
        b'{"x":' + b" " * 600_000 + b'[1],"session":{"model":"seen","model":"last"}}',
        b'{"\xff":1,"session":{"\xff":2,"model":"seen"},"session":{"model":"last"}}',
    ],
)
def test_no_spelling_hides_a_model_that_some_server_reads(body: bytes) -> None:
    found = _find(body)

    assert found is not None
    assert list(found.deciding) == ["seen", "last"]


def test_a_name_that_is_not_utf8_is_told_so() -> None:
    with pytest.raises(TollkeeperError) as caught:
        _find(b'{"session":{"model":"\xff"}}')
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, "session.model")


def test_very_many_models_are_refused() -> None:
    with pytest.raises(TollkeeperError, match="name fewer"):
        _find({"models": [str(number) for number in range(MAX_MODELS + 1)]})


def test_very_many_places_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PLACES", 1000)

    assert _find({"models": ["m"] * 1000}) is not None
    with pytest.raises(TollkeeperError, match="send fewer"):
        _find({"models": ["m"] * 1001})


def test_more_than_can_be_looked_through_is_refused() -> None:
    with pytest.raises(TollkeeperError, match="too many members"):
        _find(b'{"model":1,"x":[' + b"[],[]," * 2_000_000 + b"[],[],[]]}" + b"[" * 2_000_001)


def test_models_are_renamed_and_not_a_byte_changed_besides() -> None:
    body = (
        b'{ "requests":[{"params":{"model" : "a","n":1.50}},{"params":{"model":"b"}} ,'
        b'{"params":{"model":"a"}}]}'
    )
    found = _find(body)
    assert found is not None

    assert rename_places(body, found, {"a": 'x"y'}) == body.replace(b'"a"', b'"x\\"y"')
    assert rename_places(body, found, {}) is body


_values = st.recursive(
    st.none()
    | st.integers()
    | st.text('{}[]":,\\ model')
    | st.sampled_from(["model", "session", "requests"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["model", "session", "requests", "params", "x", '"']), inner, max_size=3
        )
    ),
    max_leaves=12,
)


def _expected(body: dict[str, Any]) -> list[str]:
    """Return the models of sessions and requests in a body, the plain way."""

    def below(value: Any, path: tuple[str, ...]) -> list[str]:
        if isinstance(value, list):
            return [name for item in value for name in below(item, path)]
        if not path:
            return [value] if isinstance(value, str) else []
        return below(value[path[0]], path[1:]) if isinstance(value, dict) and path[0] in value else []

    return below(body, ("session", "model")) + below(body, ("requests", "params", "model"))


@given(st.dictionaries(st.sampled_from(["session", "requests", "x"]), _values, max_size=3), st.booleans())
def test_all_models_and_no_others_are_found(body: dict[str, Any], spaced: bool) -> None:
    written = json.dumps(body, indent=1 if spaced else None).encode()

    found = find_named(written, has_model=False)

    names = [place.name for place in found.places] if found is not None else []
    assert sorted(names) == sorted(_expected(body))
    if found is not None:
        assert all(json.loads(written[place.start : place.end]) == place.name for place in found.places)


def test_a_walk_pauses_often_and_finds_the_same() -> None:
    body = b'{"messages":[%b[]],"models":["m"]}' % (b"[]," * 50_000)
    places: list[Place] = []
    pauses = sum(1 for _ in walk_named(body, places))
    assert pauses >= 100_000 // SIGNS
    assert named_in(places, has_model=False) == _find(body)
    assert [place.name for place in places] == ["m"]
