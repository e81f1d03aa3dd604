"""Every call passes the same interceptors in the same order, and fails in one way only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.management.chain.chain import request_id


@given(st.from_regex(r"[A-Za-z0-9._:-]{1,128}", fullmatch=True))
def test_a_well_formed_request_id_is_kept(offered: str) -> None:
    assert offered == request_id(offered)


@pytest.mark.parametrize("offered", [None, "", "a" * 129, "a b", "a\nb", "é", "a;b", "a\n"])
def test_any_other_is_replaced(offered: str | None) -> None:
    chosen = request_id(offered)
    assert chosen.startswith("req_")
    assert chosen != request_id(offered)
