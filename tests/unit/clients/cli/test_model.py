"""Deployments are read as they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper import Deployment
from tollkeeper.cli.model import deployment

UPSTREAMS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
NAMES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=20)


@given(UPSTREAMS, NAMES)
def test_a_deployment_is_read_back(upstream: str, upstream_model: str) -> None:
    written = Deployment(upstream, upstream_model)

    assert deployment(str(written)) == written


@pytest.mark.parametrize("text", ["", "=", "=model", "upstream="])
def test_half_a_deployment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a deployment"):
        deployment(text)
