"""What of prices somebody should look at."""

from datetime import UTC, datetime

import pytest
from tollkeeper import DatedPrice, ModelPrice, PriceRates, PriceSource
from tollkeeper.pricing import compare

NOW = datetime(2026, 12, 1, tzinfo=UTC)


def a_price(*own: DatedPrice, source: PriceSource = PriceSource.MODEL, **more: object) -> ModelPrice:
    """Return the price of a model whose shipped price is 2.5 and 10."""
    known: dict[str, object] = {
        "listed": "openai/m",
        "listed_prices": (DatedPrice(rates=PriceRates(input=2.5, output=10)),),
        "is_pattern": False,
    }
    return ModelPrice(
        model="m",
        upstream="up",
        upstream_model="m",
        source=source,
        prices=own,
        max_output=0,
        **known | more,  # type: ignore[arg-type]
    )


def told(price: ModelPrice) -> list[tuple[bool, str]]:
    """Return what is told of a price, by its first words."""
    return [(it.is_grave, it.detail.partition(";")[0]) for it in compare(price, NOW, 2)]


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (PriceRates(input=2.5, output=10), []),
        (PriceRates(input=5, output=5), []),
        (PriceRates(input=1.25, image=3), []),
        (PriceRates(input=2500), [(True, "input is 2500.00 dollars")]),
        (PriceRates(input=1.2), [(True, "input is 1.20 dollars")]),
        (PriceRates(output=0), [(True, "output is 0.00 dollars")]),
    ],
)
def test_a_rate_is_told_that_is_far_from_the_shipped_one(
    own: PriceRates, expected: list[tuple[bool, str]]
) -> None:
    assert told(a_price(DatedPrice(rates=own))) == expected


def test_a_model_without_a_price_is_told_unless_its_names_are_asked_for() -> None:
    assert told(a_price(source=PriceSource.NONE)) == [
        (True, "has no price: what its requests cost is not known")
    ]
    assert told(a_price(source=PriceSource.NONE, is_pattern=True)) == []
    assert told(a_price(DatedPrice(rates=PriceRates(input=99)), source=PriceSource.SHIPPED)) == []


def test_a_price_is_told_that_is_over_and_one_that_has_not_begun_is_not() -> None:
    old, new = DatedPrice(rates=PriceRates(input=99)), DatedPrice(rates=PriceRates(input=2.5))
    begun = DatedPrice(start_time=datetime(2026, 6, 1, tzinfo=UTC), rates=new.rates)
    later = DatedPrice(start_time=datetime(2027, 6, 1, tzinfo=UTC), rates=old.rates)
    assert told(a_price(old, begun, later)) == [
        (False, "the price since the beginning is over since 2026-06-01")
    ]
