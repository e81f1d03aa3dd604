"""Looking up what a model costs, by the upstream that serves it and by its name there."""

import re
from functools import cache, lru_cache
from typing import NamedTuple

from tollkeeper_server.domain.upstream import Provider
from tollkeeper_server.prices.names import Names, suits, with_hyphens
from tollkeeper_server.prices.price import Price
from tollkeeper_server.prices.table import Table, WrittenProvider, shipped, to_price

# Where the address says nothing: whose API it is said to be. A generic upstream may be anybody's.
_SAID = {Provider.OPENAI: "openai", Provider.AZURE: "azure", Provider.ANTHROPIC: "anthropic"}
# Callers choose names where a model is a pattern: what is remembered has a bound.
_REMEMBERED = 4096


class Listed(NamedTuple):
    """A price of the table. `provider` and `model` are the table's own names, such as `openai`, `gpt-4o`."""

    provider: str
    model: str
    price: Price


class Book:
    """The prices of a table."""

    def __init__(self, table: Table) -> None:
        self.sources = tuple(table.sources)
        self._providers = {it.id: it for it in table.providers}
        self._urls = tuple((re.compile(it.url), it.id) for it in table.providers)
        self._names: dict[str, Names] = {}
        self._prices: dict[tuple[str, str], Listed] = {}
        self.find = lru_cache(_REMEMBERED)(self._find)
        """See `_find`."""

    @property
    def providers(self) -> tuple[str, ...]:
        """The providers whose prices are known."""
        return tuple(self._providers)

    def models(self, provider: str) -> tuple[Listed, ...]:
        """Return the prices of a provider; none if it is not known."""
        found = self._providers.get(provider)
        return tuple(self._listed(found, index) for index in range(len(found.models))) if found else ()

    def provider_of(self, kind: Provider, url: str) -> str:
        """Return whose prices hold at an upstream of a kind, at a URL; empty if that is not known."""
        for pattern, provider in self._urls:
            if pattern.match(url):
                return provider
        return _SAID.get(kind, "")

    def provider_called(self, name: str) -> str:
        """Return the provider that a name is of; empty if none is."""
        name = name.lower()
        if name in self._providers:
            return name
        for provider in self._providers.values():
            if suits(provider.names, name):
                return provider.id
        return ""

    def _find(self, provider: str, model: str) -> Listed | None:
        """Return the price of a model that a provider serves by this name; None if it is not known.

        The name may have a date, and a prefix such as `openai/`.
        """
        found = self._providers.get(provider)
        if found is None:
            return None
        name = model.lower()
        listed = self._dated(found, name)
        prefix, slash, rest = name.partition("/")
        if listed is None and slash and self.provider_called(prefix) == provider:
            return self._dated(found, rest)
        return listed

    def _dated(self, provider: WrittenProvider, name: str) -> Listed | None:
        listed = self._named(provider, name)
        hyphenated = with_hyphens(name)
        return self._named(provider, hyphenated) if listed is None and hyphenated != name else listed

    def _named(self, provider: WrittenProvider, name: str) -> Listed | None:
        for one in (provider.id, *provider.others):
            found = self._providers.get(one)
            if found is None:
                continue
            names = self._names.get(one)
            if names is None:
                names = self._names[one] = Names([it.names for it in found.models])
            index = names.find(name)
            if index is not None:
                return self._listed(found, index)
        return None

    def _listed(self, provider: WrittenProvider, index: int) -> Listed:
        model = provider.models[index]
        key = (provider.id, model.id)
        listed = self._prices.get(key)
        if listed is None:
            listed = self._prices[key] = Listed(*key, to_price(model))
        return listed


@cache
def shipped_book() -> Book:
    """Return the prices that ship with the package."""
    return Book(shipped())
