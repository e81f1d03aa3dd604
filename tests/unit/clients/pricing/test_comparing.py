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
        (PriceRates(input=1.25, output=10, image=3), []),
        (PriceRates(image=3), []),
        (PriceRates(input=2500, output=10), [(True, "input is 2500.00 dollars")]),
        (PriceRates(input=1.2, output=10), [(True, "input is 1.20 dollars")]),
        (PriceRates(input=0, output=10), [(True, "input is 0.00 dollars")]),
    ],
)
def test_a_rate_is_told_that_is_far_from_the_shipped_one(
    own: PriceRates, expected: list[tuple[bool, str]]
) -> None:
    assert told(a_price(DatedPrice(rates=own))) == expected


def test_a_price_that_lacks_the_rate_of_answers_or_prompts_is_told() -> None:
    """It is graver where the shipped price has that rate: then the model has both."""

    def rates(**own: float) -> DatedPrice:
        return DatedPrice(rates=PriceRates(**own))

    embeddings = (rates(input=2.5),)
    assert told(a_price(rates(input=2.5), listed_prices=embeddings)) == []
    for listed, is_grave in ((), False), ((rates(input=2.5, output=10),), True):
        for name, other, own in (("input", "output", 2.5), ("output", "input", 10)):
            ((grave, detail),) = told(a_price(rates(**{name: own}), listed_prices=listed))
            assert grave is is_grave
            assert detail.startswith(f"has a rate of {name} and none of {other}: ")


def test_a_model_without_a_price_is_told_unless_its_names_are_asked_for() -> None:
    assert told(a_price(source=PriceSource.NONE)) == [
        (True, "has no price: what its requests cost is not known")
    ]
    assert told(a_price(source=PriceSource.NONE, is_pattern=True)) == []
    assert told(a_price(DatedPrice(rates=PriceRates(input=99)), source=PriceSource.SHIPPED)) == []


def test_a_price_is_told_that_is_over_and_one_that_has_not_begun_is_not() -> None:
    old, new = (DatedPrice(rates=PriceRates(input=rate, output=10)) for rate in (99, 2.5))
    begun = DatedPrice(start_time=datetime(2026, 6, 1, tzinfo=UTC), rates=new.rates)
    later = DatedPrice(start_time=datetime(2027, 6, 1, tzinfo=UTC), rates=old.rates)
    assert told(a_price(old, begun, later)) == [
        (False, "the price since the beginning is over since 2026-06-01")
    ]
