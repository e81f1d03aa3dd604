"""What an import of prices changes of a model."""

import json

from tollkeeper import DatedPrice, Deployment, Model, ModelPrice, PriceRates, PriceSource
from tollkeeper.cli.prices import changes_of
from tollkeeper.pricing import read_prices_file

CHEAP, DEAR = 1e-06, 2e-06


def a_model(*deployments: Deployment, name: str = "m", prices: tuple[DatedPrice, ...] = ()) -> Model:
    """Return a model that is served by deployments."""
    return Model(
        name=name,
        aliases=(),
        capabilities=(),
        deployments=deployments,
        is_active=True,
        created_at=None,
        updated_at=None,
        etag="1",
        policy=None,
        group="",
        fallbacks=(),
        fallback_on=(),
        price=None,
        prices=prices,
    )


def served(upstream: str, name: str, listed: str = "") -> ModelPrice:
    """Return what a gateway says of the model at an upstream."""
    return ModelPrice(
        model="m",
        upstream=upstream,
        upstream_model=name,
        source=PriceSource.NONE,
        prices=(),
        listed=listed,
        listed_prices=(),
        max_output=0,
        is_pattern=False,
    )


def at(dollars: float) -> tuple[DatedPrice, ...]:
    """Return prices with a rate of the prompt."""
    return (DatedPrice(rates=PriceRates(input=dollars)),)


def litellm(**costs: float) -> str:
    """Return a file of LiteLLM's form."""
    return json.dumps(
        {
            name.replace("__", "/"): {"litellm_provider": "x", "input_cost_per_token": it}
            for name, it in costs.items()
        }
    )


def test_a_price_for_all_upstreams_is_the_models() -> None:
    model = a_model(Deployment("one"), Deployment("two"))
    asked = [served("one", "m"), served("two", "m")]
    read = read_prices_file(litellm(m=CHEAP))
    assert changes_of(model, asked, read) == {"prices": at(1)}
    assert changes_of(a_model(*model.deployments, prices=at(1)), asked, read) == {}


def test_prices_that_differ_are_the_deployments() -> None:
    model = a_model(Deployment("one", weight=3), Deployment("two", "other"), Deployment("three"))
    asked = [served("one", "m"), served("two", "other"), served("three", "m", "azure/m")]
    changes = changes_of(model, asked, read_prices_file(litellm(m=CHEAP, azure__m=DEAR)))
    assert changes == {
        "deployments": (
            Deployment("one", "", 3, at(1)),
            Deployment("two", "other"),
            Deployment("three", "", 1, at(2)),
        )
    }


def test_a_file_of_this_gateway_says_what_is_whose() -> None:
    model = a_model(Deployment("one"), Deployment("two", "other", prices=at(9)))
    deployments = {"one": [{"rates": {"input": 2}}]}
    given = {"prices": [{"rates": {"input": 1}}], "deployments": deployments}
    text = json.dumps({"models": {"m": given}})
    assert changes_of(model, [served("one", "m"), served("two", "other")], read_prices_file(text)) == {
        "prices": at(1),
        "deployments": (Deployment("one", prices=at(2)), Deployment("two", "other", prices=at(9))),
    }


def test_what_the_file_does_not_have_stays() -> None:
    model = a_model(Deployment("one", prices=at(9)), prices=at(8))
    assert changes_of(model, [served("one", "m")], read_prices_file(litellm(other=CHEAP))) == {}
