"""Changes of headers are read as they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper import HeaderAction, HeaderOperation
from tollkeeper.cli.upstream_traffic import operation

NAMES = st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=20)


@given(st.sampled_from([HeaderAction.INSERT, HeaderAction.REPLACE]), NAMES, VALUES)
def test_what_sets_a_header_is_read_back(action: HeaderAction, name: str, value: str) -> None:
    written = HeaderOperation(action, name, value)

    assert operation(str(written)) == written


def test_what_removes_a_header_is_read_back() -> None:
    assert operation("remove:x-a") == HeaderOperation(HeaderAction.REMOVE, "x-a")
    assert str(operation("remove:x-a")) == "remove:x-a"


@pytest.mark.parametrize(
    "text", ["", "insert", "insert:x-a", "insert::v", "remove:x-a:v", "remove:", "unknown:a:b", "set:a:b"]
)
def test_what_is_no_change_of_a_header_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a change of a header"):
        operation(text)
