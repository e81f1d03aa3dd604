"""Files of prices are read in either form, and what is wrong is told by its place."""

import json

import pytest
from tollkeeper import DatedPrice, Deployment, ModelPrice, PriceRates, PriceSource, PriceTier, ServicePrice
from tollkeeper.configuration import ConfigurationError
from tollkeeper.pricing import read_prices_file

ENTRY = {
    "litellm_provider": "openai",
    "max_output_tokens": 16384,
    "mode": "chat",
    "supports_vision": True,
    "input_cost_per_token": 2.5e-06,
    "input_cost_per_token_above_272k_tokens": 5e-06,
    "input_cost_per_token_batches": 1.25e-06,
    "input_cost_per_token_priority": 4.375e-06,
    "cache_read_input_token_cost": 2.8e-09,
    "output_cost_per_token": 1e-05,
    "output_cost_per_audio_token_above_272k_tokens": 1e-05,
    "search_context_cost_per_query": {"search_context_size_medium": 0.035},
}
READ = DatedPrice(
    rates=PriceRates(input=2.5, cached=0.0028, output=10, web_search=0.035),
    tiers=(PriceTier(above=272_000, rates=PriceRates(input=5)),),
    services=(
        ServicePrice(is_batch=True, rates=PriceRates(input=1.25)),
        ServicePrice(tier="priority", rates=PriceRates(input=4.375)),
    ),
)


def served(model: str, upstream_model: str, listed: str = "") -> ModelPrice:
    """Return what a gateway says of a model."""
    return ModelPrice(
        model=model,
        upstream="up",
        upstream_model=upstream_model,
        source=PriceSource.NONE,
        prices=(),
        listed=listed,
        listed_prices=(),
        max_output=0,
        is_pattern=False,
    )


def test_litellms_dollars_a_token_are_ours_a_million() -> None:
    read = read_prices_file(json.dumps({"sample_spec": {"mode": "chat"}, "gpt-4o": ENTRY}))
    assert read.of_listed(served("best", "gpt-4o")) == (READ,)
    assert read.of_listed(served("gpt-4o", "")) == (READ,)
    assert read.of_listed(served("gpt-4o", "other")) == ()


def test_a_providers_own_price_goes_before_that_of_the_name() -> None:
    azure = ENTRY | {"input_cost_per_token": 2.75e-06}
    read = read_prices_file(json.dumps({"gpt-4o": ENTRY, "azure/gpt-4o": azure}))
    (price,) = read.of_listed(served("gpt-4o", "gpt-4o", "azure/gpt-4o"))
    assert price.rates.input == 2.75


def test_sound_images_and_spoken_characters_have_their_own_units() -> None:
    entry = {"litellm_provider": "openai", "input_cost_per_second": 0.0001, "output_cost_per_image": 0.04}
    entry["input_cost_per_character"] = 0.000015
    (price,) = read_prices_file(json.dumps({"m": entry})).of_listed(served("m", "m"))
    assert price == DatedPrice(rates=PriceRates(audio_minute=0.006, image=0.04, character=15))


def test_pages_that_are_read_have_their_own_units() -> None:
    entry = {"litellm_provider": "mistral", "ocr_cost_per_page": 0.002, "annotation_cost_per_page": 0.003}
    (price,) = read_prices_file(json.dumps({"m": entry})).of_listed(served("m", "m"))
    assert price == DatedPrice(rates=PriceRates(page=0.002, annotated_page=0.003))


def test_the_gateways_form_is_that_of_a_configuration_file() -> None:
    text = """{"models": {"gpt-4o": {
        "prices": [
            {"rates": {"input": 2.5e0, "cached": 2.8e-3}, "tiers": [{"above": 9, "rates": {"input": 5}}]}
        ],
        "deployments": {"azure-eu": [{"rates": {"input": 2.75}}], "own=llama": [{"rates": {"input": 0}}]}
    }}}"""
    read = read_prices_file(text)
    tier = PriceTier(above=9, rates=PriceRates(input=5))
    assert read.of_model("gpt-4o") == (DatedPrice(rates=PriceRates(input=2.5, cached=0.0028), tiers=(tier,)),)
    assert read.of_model("other") == ()
    priced = (DatedPrice(rates=PriceRates(input=2.75)),)
    assert read.of_deployment("gpt-4o", Deployment("azure-eu", "x")) == priced
    assert read.of_deployment("gpt-4o", Deployment("own", "llama"))[0].rates.input == 0
    assert read.of_deployment("gpt-4o", Deployment("own", "other")) == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "line 1, column 2: not valid JSON"),
        ("[]", "must be an object"),
        ('{"gpt-4o": 1}', "must have"),
        ('{"models": []}', "models: must be an object"),
        ('{"models": {"m": {"price": 1}}}', "models.m: must be an object with prices"),
        ('{"models": {"m": {"prices": {}}}}', "models.m: must have a list"),
        ('{"models": {"m": {"prices": [{"rates": {"inptu": 1}}]}}}', "models.m: prices.*inptu"),
        ('{"models": {"m": {"deployments": []}}}', "models.m.deployments: must be an object"),
    ],
)
def test_what_is_wrong_is_told_by_its_place(text: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        read_prices_file(text)
