"""LiteLLM's `model_prices_and_context_window.json`: dollars a token, in members that say what of."""

import re
from collections.abc import Mapping
from decimal import Decimal

from tollkeeper.values.price import DatedPrice, PriceRates, PriceTier, ServicePrice

_MILLION = 1_000_000
_RATES = {
    "input_cost_per_token": "input",
    "cache_read_input_token_cost": "cached",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_hour",
    "output_cost_per_token": "output",
    "output_cost_per_reasoning_token": "reasoning",
    "input_cost_per_audio_token": "audio_input",
    "output_cost_per_audio_token": "audio_output",
    "input_cost_per_image_token": "image_input",
    "input_cost_per_character": "character",
}
_OTHERS = {
    "input_cost_per_second": ("audio_minute", 60),
    "output_cost_per_image": ("image", 1),
    "ocr_cost_per_page": ("page", 1),
    "annotation_cost_per_page": ("annotated_page", 1),
    "input_cost_per_request": ("request", 1),
}
_SERVICES = {"flex": ("flex", False), "priority": ("priority", False), "batches": ("", True)}
_ABOVE = re.compile(r"_above_([0-9]+)k_tokens")
_SERVICE = re.compile(f"_({'|'.join(_SERVICES)})$")
_SEARCHES = "search_context_cost_per_query"
_SEARCH = "search_context_size_medium"

_Rates = dict[str, float]


def is_litellm(entry: object) -> bool:
    """Return whether an entry of a file is of LiteLLM's form."""
    return isinstance(entry, Mapping) and bool({"litellm_provider", *_RATES, *_OTHERS} & entry.keys())


def read_entry(entry: Mapping[str, object]) -> tuple[DatedPrice, ...]:
    """Return the price of a model, as far as its members are known here; none if none is."""
    found: dict[str, dict[int, _Rates]] = {}
    for name, value in entry.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            continue
        service = _SERVICE.search(name)
        rest = _SERVICE.sub("", name)
        above = _ABOVE.search(rest)
        rate = _rate(_ABOVE.sub("", rest), value)
        if rate is not None:
            tier = int(above[1]) * 1000 if above else 0
            of = found.setdefault(service[1] if service else "", {}).setdefault(tier, {})
            of[rate[0]] = rate[1]
    searches = entry.get(_SEARCHES)
    if isinstance(searches, Mapping) and isinstance(cost := searches.get(_SEARCH), int | float):
        found.setdefault("", {}).setdefault(0, {})["web_search"] = float(cost)
    usual = found.pop("", {})
    rates, tiers = _tiers(usual)
    if not rates.given():
        return ()
    services = []
    for name, given in found.items():
        called, is_batch = _SERVICES[name]
        of_service, longer = _tiers(given)
        if of_service.given():
            services.append(ServicePrice(tier=called, is_batch=is_batch, rates=of_service, tiers=longer))
    return (DatedPrice(rates=rates, tiers=tiers, services=tuple(services)),)


def _rate(name: str, cost: float) -> tuple[str, float] | None:
    if name in _RATES:
        return _RATES[name], _times(cost, _MILLION)
    if name in _OTHERS:
        rate, per = _OTHERS[name]
        return rate, _times(cost, per)
    return None


def _times(cost: float, per: int) -> float:
    return float(round(Decimal(repr(cost)) * per, 6))


def _tiers(found: Mapping[int, _Rates]) -> tuple[PriceRates, tuple[PriceTier, ...]]:
    """Return rates, and those of long prompts; what only these have is left out."""
    usual = found.get(0, {})
    longer = {
        above: {name: rate for name, rate in rates.items() if name in usual}
        for above, rates in sorted(found.items())
        if above
    }
    tiers = tuple(PriceTier(above=above, rates=PriceRates(**it)) for above, it in longer.items() if it)
    return PriceRates(**usual), tiers
