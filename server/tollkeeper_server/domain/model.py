"""Models: the names applications ask for, and the deployments that serve them."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from tollkeeper_server.domain.traffic import TrafficPolicy


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
    """What a model's tokens cost, in nano-dollars each. `cached` None is as `prompt`."""

    prompt: int = 0
    completion: int = 0
    cached: int | None = None


class FallbackCause(StrEnum):
    """What an upstream's answer must say for a model's fallbacks to be tried."""

    CONTEXT_LENGTH = "context_length"
    CONTENT = "content"


class Deployment(Struct, frozen=True, kw_only=True):
    """One place that serves a model. An empty `upstream_model` is the model's own name, or the one
    that was asked for if that is a pattern. `weight` is from 1 to 65,535.
    """

    upstream: str
    upstream_model: str = ""
    weight: int = 1


class Model(Struct, frozen=True, kw_only=True):
    """A name applications ask for. It identifies the model and never changes.

    A trailing `*` stands for any rest; such a model serves the names that no other one does, the
    longest match first. Empty `capabilities` are all of them. Either `deployments`, called by `policy`, or
    the members of `group`, called by that group's policy, serve it. `fallbacks` are models to try, in order,
    when all of these are unavailable, or answer with one of `fallback_on`.
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
    is_active: bool = True
    created_at: datetime
    updated_at: datetime
    revision: int = 1


def matches(pattern: str, name: str) -> bool:
    """Return whether `pattern`, a name or one with a trailing `*`, covers `name`."""
    return name.startswith(pattern[:-1]) if is_pattern(pattern) else name == pattern


def is_pattern(name: str) -> bool:
    """Return whether a model's name stands for any rest."""
    return name.endswith("*")


def owners(models: Iterable[Model]) -> dict[str, Model]:
    """Return whose each name and alias is, patterns aside.

    Of several that claim one, a name proper wins over an alias and the elder model over the younger:
    concurrent edits may let this arise, and every process must decide it alike.
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
    """What has a pattern for a name, found by the names that it covers."""

    __slots__ = ("_by_start", "_lengths")

    def __init__(self, patterns: Iterable[N]) -> None:
        self._by_start = {it.name[:-1]: it for it in patterns}
        self._lengths = sorted({len(start) for start in self._by_start}, reverse=True)

    def match(self, name: str) -> N | None:
        """Return what covers a name that no model has, the longest pattern's first; None if nothing does."""
        for length in self._lengths:
            found = self._by_start.get(name[:length])
            if found is not None:
                return found
        return None
