"""Models: the names applications ask for, and the deployments that serve them."""

from datetime import datetime
from enum import StrEnum

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
    """Tells whether `pattern`, a name or one with a trailing `*`, covers `name`."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
