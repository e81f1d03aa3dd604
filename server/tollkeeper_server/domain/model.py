"""Models: the names that applications ask for, and the deployments that serve them."""

import re
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Generic, Protocol, TypeVar
from urllib.parse import unquote

from msgspec import Struct

from tollkeeper_server.domain.limit import Limit
from tollkeeper_server.domain.price import DatedPrice
from tollkeeper_server.domain.traffic import TrafficPolicy

_SEGMENT_END = re.compile(r"[/\\]")


class Capability(StrEnum):
    """A kind of endpoint that a model serves."""

    CHAT_COMPLETIONS = "chat_completions"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"
    RESPONSES = "responses"
    IMAGES_GENERATIONS = "images_generations"
    IMAGES_EDITS = "images_edits"
    AUDIO_TRANSCRIPTIONS = "audio_transcriptions"
    AUDIO_SPEECH = "audio_speech"
    MODERATIONS = "moderations"
    MESSAGES = "messages"


class Price(Struct, frozen=True, kw_only=True):
    """The prices of a model's tokens, in nano-dollars each. `cached` None is the same as `prompt`."""

    prompt: int = 0
    completion: int = 0
    cached: int | None = None


class FallbackCause(StrEnum):
    """The errors of an upstream upon which a model's fallbacks are tried."""

    CONTEXT_LENGTH = "context_length"
    CONTENT = "content"


class Deployment(Struct, frozen=True, kw_only=True):
    """An upstream that serves a model. An empty `upstream_model` is the model's own name or, if that is a
    pattern, the name that was asked for. `weight` is from 1 to 65,535. `prices` take
    the place of the model's own.
    """

    upstream: str
    upstream_model: str = ""
    weight: int = 1
    prices: tuple[DatedPrice, ...] = ()


class Model(Struct, frozen=True, kw_only=True):
    """A model. `name` identifies it and never changes.

    A trailing `*` stands for any rest: such a model serves the names that no other model serves, the longest
    match first. Empty `capabilities` are all of them. The model is served either by `deployments`, called by
    `policy`, or by the members of `group`, called by that group's policy. `fallbacks` are models to try, in
    order, when all of these are unavailable, or answer with an error in `fallback_on`. Its price is
    `price` or `prices`, if it has one of its own.
    """

    name: str
    aliases: tuple[str, ...] = ()
    capabilities: tuple[Capability, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    policy: TrafficPolicy = TrafficPolicy()
    group: str = ""
    fallbacks: tuple[str, ...] = ()
    fallback_on: tuple[FallbackCause, ...] = ()
    price: Price | None = None
    limits: tuple[Limit, ...] = ()
    prices: tuple[DatedPrice, ...] = ()
    is_active: bool = True
    created_at: datetime
    updated_at: datetime
    revision: int = 1


def matches(pattern: str, name: str) -> bool:
    """Return whether `pattern`, a name or a prefix with a trailing `*`, matches `name`."""
    return name.startswith(pattern[:-1]) if is_pattern(pattern) else name == pattern


def is_pattern(name: str) -> bool:
    """Return whether a model's name is a pattern: a prefix with a trailing `*`."""
    return name.endswith("*")


def owners(models: Iterable[Model]) -> dict[str, Model]:
    """Return the model of each name and alias; patterns are left out.

    Where two models claim a name, a model's own name wins over an alias, and the older model over the
    younger. Concurrent edits can cause such a conflict, and every process must decide it alike.
    """
    eldest_first = sorted(models, key=attrgetter("created_at", "name"))
    found = {model.name: model for model in eldest_first if not is_pattern(model.name)}
    for model in eldest_first:
        for alias in model.aliases:
            found.setdefault(alias, model)
    return found


class _Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_Named)


class Patterns(Generic[N]):
    """Models or routes whose names are patterns, found by the names that the patterns match."""

    __slots__ = ("_by_start", "_lengths")

    def __init__(self, patterns: Iterable[N]) -> None:
        self._by_start = {it.name[:-1]: it for it in patterns}
        self._lengths = sorted({len(start) for start in self._by_start}, reverse=True)

    def match(self, name: str) -> N | None:
        """Return the one with the longest pattern that matches `name`; None if no pattern does."""
        for length in self._lengths:
            found = self._by_start.get(name[:length])
            if found is not None:
                return found
        return None


def stands_in_path(name: str) -> bool:
    """Return whether a name can be asked for by a URL: clients and servers take dot segments out of paths.

    Some undo an escape first that the name itself has.
    """
    return all(it not in {".", ".."} for text in (name, unquote(name)) for it in _SEGMENT_END.split(text))
