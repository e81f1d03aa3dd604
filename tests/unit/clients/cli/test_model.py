"""Deployments and prices are read as they are written."""

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper import DatedPrice, Deployment, Price, PriceRates
from tollkeeper.cli.model import deployment, price
from tollkeeper.cli.price_options import keeping_prices, priced, rate

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


def test_a_rate_is_dollars_of_a_unit() -> None:
    assert rate("cache_write_hour=0.0028") == ("cache_write_hour", 0.0028)
    for text, why in (
        ("input", "is not a rate"),
        ("inptu=1", "one of input, cached"),
        ("input=x", "no amount"),
    ):
        with pytest.raises(ValueError, match=why):
            rate(text)


DEPLOYMENTS = (Deployment("one", "a"), Deployment("one", "b"), Deployment("two"))
PRICES = (DatedPrice(rates=PriceRates(input=1)),)


def test_a_deployment_gets_prices_by_its_place() -> None:
    assert priced(DEPLOYMENTS, "two", PRICES)[2] == Deployment("two", prices=PRICES)
    assert priced(DEPLOYMENTS, "one=b", PRICES)[:2] == (DEPLOYMENTS[0], Deployment("one", "b", prices=PRICES))
    for place in ("one", "three"):
        with pytest.raises(click.UsageError, match="of the model's deployments"):
            priced(DEPLOYMENTS, place, PRICES)


def test_deployments_that_stay_keep_their_prices() -> None:
    present = priced(DEPLOYMENTS, "one=b", PRICES)
    given = (Deployment("one", "b", weight=3), Deployment("one", "c"))
    assert keeping_prices(given, present) == (Deployment("one", "b", 3, PRICES), Deployment("one", "c"))
