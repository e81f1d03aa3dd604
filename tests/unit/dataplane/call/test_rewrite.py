"""Changing a JSON body changes what was asked for and nothing else."""

import json
import tracemalloc
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from tollkeeper_server.dataplane.call import rewrite
from tollkeeper_server.dataplane.call.rewrite import Maximum, _large_in_parts, rewrite_json
from tollkeeper_server.errors import Reason, TollkeeperError


@pytest.fixture(params=[256 * 1024, 0], ids=["small", "large"], autouse=True, scope="module")
def _size(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rewrite, "LARGE", request.param)
        yield


def _members(body: bytes) -> dict[str, bytes]:
    raw = msgspec.json.decode(body, type=dict[str, Raw])
    return {name: bytes(value) for name, value in raw.items()}


def test_values_keep_their_bytes() -> None:
    body = b'{ "a": 1.50e+3 , "model":"x", "b":"\\u00e9\\/", "n":12345678901234567890123, "c":[ 1,2 ] }'

    changed = rewrite_json(body, model="y")

    assert _members(changed) == {
        "a": b"1.50e+3",
        "model": b'"y"',
        "b": b'"\\u00e9\\/"',
        "n": b"12345678901234567890123",
        "c": b"[ 1,2 ]",
    }


def test_of_two_models_none_is_left() -> None:
    changed = rewrite_json(b'{"model":"first","a":1,"model":"second"}', model="third")

    assert json.loads(changed, object_pairs_hook=list) in (
        [("model", "third"), ("a", 1)],
        [("a", 1), ("model", "third")],
    )


def test_a_model_in_another_case_goes() -> None:
    changed = rewrite_json(b'{"Model":"a","model":"b","MODEL":"c","models":["d"]}', model="e")

    assert json.loads(changed) == {"model": "e", "models": ["d"]}


def test_a_model_is_added_where_there_is_none() -> None:
    assert json.loads(rewrite_json(b'{"a":1}', model="x")) == {"a": 1, "model": "x"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (b"", {"include_usage": True}),
        (b',"stream_options":null', {"include_usage": True}),
        (b',"stream_options":{}', {"include_usage": True}),
        (b',"stream_options":{"include_usage":false}', {"include_usage": True}),
        (
            b',"stream_options":{"include_obfuscation":false,"include_usage":null}',
            {"include_obfuscation": False, "include_usage": True},
        ),
    ],
)
def test_usage_is_asked_for_beside_the_callers_own_options(options: bytes, expected: dict[str, bool]) -> None:
    changed = rewrite_json(b'{"model":"x","stream":true' + options + b"}", ask_usage=True)

    assert {"model": "x", "stream": True, "stream_options": expected} == json.loads(changed)


def test_names_and_models_may_be_in_any_script() -> None:
    changed = rewrite_json('{"ключ":"значение","model":"x"}'.encode(), model='модель "7"')

    assert json.loads(changed) == {"ключ": "значение", "model": 'модель "7"'}


def test_among_very_many_members_one_is_changed_in_linear_time_and_memory() -> None:
    body = b'{"model":"x",' + b'"":0,' * 400_000 + b'"stream":true}'
    tracemalloc.start()
    try:
        changed = rewrite_json(body, model="y", ask_usage=True)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert changed.count(b'"":0') in {1, 400_000}
    assert changed.endswith(b'"stream":true,"model":"y","stream_options":{"include_usage":true}}')
    assert peak < 4 * len(body)


def test_a_name_that_is_not_utf8_is_told_so() -> None:
    with pytest.raises(TollkeeperError) as caught:
        rewrite_json(b'{"\xff":1,"model":"x"}', model="y")
    assert Reason.INVALID_JSON is caught.value.reason


_numbers = st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
_values = st.recursive(
    _numbers
    | st.text().map(json.dumps).filter(lambda t: "\\ud" not in t)
    | st.sampled_from(["null", "true"]),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: "[ " + " ,\n".join(items) + "]"),
    max_leaves=6,
)


@given(
    members=st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), _values, max_size=6),
    model=st.text(st.characters(codec="utf-8"), min_size=1),
)
def test_all_other_members_keep_their_bytes_and_order(members: dict[str, str], model: str) -> None:
    members.setdefault("model", '"old"')
    body = ("{ " + " , ".join(f'"{name}" : {value}' for name, value in members.items()) + "}").encode()

    changed = rewrite_json(body, model=model)

    before, after = _members(body), _members(changed)
    assert json.loads(after.pop("model")) == model
    before.pop("model")
    assert before == after
    assert list(before) == list(after)


CHAT = ("max_completion_tokens", "max_tokens")
NUMBERS = st.sampled_from([b"null", b"5", b"700", b"-1", b"2.5", b'"x"', b"[1]"])


@given(
    st.lists(st.tuples(st.sampled_from([*CHAT, "Max_Tokens", "model", "x"]), NUMBERS), max_size=6),
    st.sampled_from(CHAT),
)
def test_no_reader_finds_a_greater_maximum(members: list[tuple[str, bytes]], usual: str) -> None:
    """Not in the first of members given twice, nor spelt otherwise; in a long body as in a short one."""
    body = b"{" + b",".join(b'"%s":%s' % (name.encode(), value) for name, value in members) + b"}"
    maximum = Maximum(300, CHAT, usual)

    changed = rewrite_json(body, maximum=maximum)
    pairs: list[tuple[str, object]] = json.loads(changed, object_pairs_hook=list)
    said = [(name, value) for name, value in pairs if name.casefold() in CHAT]

    assert said
    assert all(name in CHAT and value in (5, 300) for name, value in said)
    assert len({name for name, _ in said}) == len(said)
    assert b"".join(_large_in_parts(body, None, maximum, ask_usage=False)) != b""
    assert json.loads(b"".join(_large_in_parts(body, None, maximum, ask_usage=False))) == json.loads(changed)
