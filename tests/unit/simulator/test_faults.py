"""The `x-simulate` header."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.simulator import faults
from tollkeeper_server.simulator.faults import FaultError, Faults, Garbage, UsagePlace, parse


def _parse(*values: str) -> Faults:
    return parse([(b"x-simulate", value.encode("latin-1")) for value in values])


def test_without_the_header_nothing_is_asked_for() -> None:
    assert parse([(b"accept", b"status=500")]) == faults.NONE


def test_directives_of_all_headers_add_up() -> None:
    asked = _parse("latency=50, status=503,,retry-after=7", "header=a:1,header=b: 2")
    assert asked == Faults(latency=50, status=503, retry_after="7", headers=((b"a", b"1"), (b"b", b"2")))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hang=headers", Faults(hang=-1)),
        ("hang=body", Faults(hang=0)),
        ("hang=3", Faults(hang=3)),
        ("garbage", Faults(garbage=Garbage.WIRE)),
        ("garbage=event", Faults(garbage=Garbage.EVENT)),
        ("1xx", Faults(early_hints=True)),
        ("cache-creation=4", Faults(cache_creation=4)),
        ("no-done", Faults(no_done=True)),
        ("usage=beside", Faults(usage=UsagePlace.BESIDE)),
    ],
)
def test_each_directive_sets_its_field(text: str, expected: Faults) -> None:
    assert _parse(text) == expected


def test_every_directive_of_the_document_is_known() -> None:
    documented = re.findall(r"^ {4}([a-z0-9-]+)(=\S+)?", faults.__doc__ or "", re.MULTILINE)
    assert {name for name, _ in documented} == {*faults._DIRECTIVES, "header"}
    examples = {"=NAME:VALUE": "=a:b", "=CODE": "=500", "=TEXT": "=x"}
    for name, value in documented:
        sample = examples.get(value, value.rstrip(";"))
        sample = re.sub(r"^=(MS|N|S)$", "=7", sample)
        assert _parse(f"{name}{sample}") != faults.NONE, name


@pytest.mark.parametrize(
    "text",
    [
        "latncy=5",
        "cut",
        "cut=-1",
        "cut=x",
        "cut=\u00b2",
        "status=99",
        "gzip=1",
        "hang",
        "hang=soon",
        "header=x",
        "=5",
        "garbage=all",
        "usage",
        "usage=first",
        "retry-after",
    ],
)
def test_a_typing_error_is_refused_and_named(text: str) -> None:
    with pytest.raises(FaultError, match="x-simulate"):
        _parse(text)


@given(st.text(st.characters(max_codepoint=255)))
def test_any_header_is_parsed_or_refused(text: str) -> None:
    with contextlib.suppress(FaultError):
        assert isinstance(_parse(text), Faults)
