"""Files with prices of models.

    {"models": {"gpt-4o": {"prices": [{"rates": {"input": 2.5, "output": 10}}],
                           "deployments": {"azure-eu": [{"rates": {"input": 2.75, "output": 11}}]}}}}

`prices` are those of a model in a configuration file, `deployments` those of its deployments, by
`UPSTREAM` or `UPSTREAM=UPSTREAM_MODEL`. LiteLLM's `model_prices_and_context_window.json` is read, too.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from tollkeeper.configuration import ConfigurationError, read_prices
from tollkeeper.pricing.litellm import is_litellm, read_entry
from tollkeeper.values.price import DatedPrice, ModelPrice
from tollkeeper.values.traffic import Deployment

_MODELS = "models"


@dataclass(frozen=True, slots=True)
class PricesFile:
    """Prices by the names of models, and of their deployments; or LiteLLM's entries by its names."""

    models: Mapping[str, tuple[DatedPrice, ...]] = field(default_factory=dict)
    deployments: Mapping[tuple[str, str], tuple[DatedPrice, ...]] = field(default_factory=dict)
    entries: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def of_model(self, name: str) -> tuple[DatedPrice, ...]:
        """Return the prices that the file has of a model by its own name."""
        return self.models.get(name, ())

    def of_deployment(self, model: str, deployment: Deployment) -> tuple[DatedPrice, ...]:
        """Return the prices that the file has of a deployment of a model."""
        places = (f"{deployment.upstream}={deployment.upstream_model}", deployment.upstream)
        return next((it for place in places if (it := self.deployments.get((model, place)))), ())

    def of_listed(self, served: ModelPrice) -> tuple[DatedPrice, ...]:
        """Return the price that LiteLLM has of a model at an upstream."""
        provider = served.listed.partition("/")[0]
        name = served.upstream_model or served.model
        for candidate in (f"{provider}/{name}", name, served.listed):
            entry = self.entries.get(candidate)
            if entry is not None and (prices := read_entry(entry)):
                return prices
        return ()


def read_prices_file(text: str) -> PricesFile:
    """Read a file of either form. Raises `ConfigurationError` naming every place that is wrong."""
    try:
        read = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigurationError(f"{where}: not valid JSON: {error.msg}") from None
    except RecursionError:
        raise ConfigurationError("nested too deep") from None
    if not isinstance(read, dict):
        raise ConfigurationError("must be an object with models")
    if _MODELS not in read:
        entries = {str(name): entry for name, entry in read.items() if is_litellm(entry)}
        if not entries:
            raise ConfigurationError('must have "models", or be LiteLLM\'s prices')
        return PricesFile(entries=entries)
    models: dict[str, tuple[DatedPrice, ...]] = {}
    deployments: dict[tuple[str, str], tuple[DatedPrice, ...]] = {}
    problems: list[str] = []
    named = read[_MODELS]
    if not isinstance(named, dict):
        raise ConfigurationError(f"{_MODELS}: must be an object of names and prices")
    for name, given in named.items():
        if not isinstance(given, dict) or not given or given.keys() - {"prices", "deployments"}:
            problems.append(f"{_MODELS}.{name}: must be an object with prices, deployments or both")
            continue
        if "prices" in given:
            models[name] = _prices(given["prices"], f"{_MODELS}.{name}", problems)
        placed = given.get("deployments", {})
        if not isinstance(placed, dict):
            problems.append(f"{_MODELS}.{name}.deployments: must be an object of upstreams and prices")
            continue
        for place, some in placed.items():
            deployments[name, place] = _prices(some, f"{_MODELS}.{name}.deployments.{place}", problems)
    if problems:
        raise ConfigurationError(*problems)
    return PricesFile(models, deployments)


def _prices(given: object, path: str, problems: list[str]) -> tuple[DatedPrice, ...]:
    if not isinstance(given, Sequence) or isinstance(given, str) or not given:
        problems.append(f"{path}: must have a list of prices")
        return ()
    try:
        return read_prices(json.dumps({"prices": _plain(given)}))
    except ConfigurationError as error:
        problems.extend(f"{path}: {it}" for it in error.problems)
        return ()


def _plain(value: object) -> object:
    """Return a value with its numbers as YAML reads them: JSON's `1e-07` has no point."""
    if isinstance(value, float):
        return f"{Decimal(repr(value)):f}"
    if isinstance(value, list):
        return [_plain(it) for it in value]
    if isinstance(value, dict):
        return {name: _plain(it) for name, it in value.items()}
    return value
