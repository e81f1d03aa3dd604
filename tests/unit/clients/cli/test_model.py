"""Deployments and prices are read as they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper import Deployment, Price
from tollkeeper.cli.model import deployment, price

UPSTREAMS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
NAMES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=20)


@given(UPSTREAMS, NAMES | st.sampled_from(["a*3", "*", "*1"]), st.integers(1, 65535))
def test_a_deployment_is_read_back(upstream: str, upstream_model: str, weight: int) -> None:
    written = Deployment(upstream, upstream_model, weight)

    assert deployment(str(written)) == written


@pytest.mark.parametrize("text", ["", "=", "=model", "upstream=", "*3", "=*3", "upstream=*3"])
def test_half_a_deployment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a deployment"):
        deployment(text)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("0.15/0.60", Price(prompt=150, completion=600)),
        ("3/15/0.3", Price(prompt=3000, completion=15_000, cached=300)),
        ("0.075/0/0", Price(prompt=75, completion=0, cached=0)),
    ],
)
def test_a_price_is_dollars_for_a_million_tokens(text: str, read: Price) -> None:
    assert price(text) == read


@pytest.mark.parametrize(
    "text", ["", "1", "1/", "/1", "1/2/3/4", "-1/2", "1e3/2", "0.0001/1", "a/b", "1,5/2", "\u0661/2"]
)
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a price"):
        price(text)
