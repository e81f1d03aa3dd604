"""Models that applications ask for."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tollkeeper.values.limits import Limit
from tollkeeper.values.price import DatedPrice
from tollkeeper.values.traffic import Deployment, FallbackCause, Price, TrafficPolicy


class Capability(StrEnum):
    """A kind of endpoint that a model serves. `UNKNOWN` is one that this client is too old for."""

    UNKNOWN = "unknown"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A name that applications ask for. Empty `capabilities` are all of them.

    Either `deployments`, called by `policy`, or the members of `group`, called by its policy, serve it;
    `fallbacks` when these are unavailable, or answer with one of `fallback_on`.
    """

    name: str
    aliases: tuple[str, ...]
    capabilities: tuple[Capability, ...]
    deployments: tuple[Deployment, ...]
    is_active: bool
    created_at: datetime | None
    updated_at: datetime | None
    etag: str
    policy: TrafficPolicy | None
    group: str
    fallbacks: tuple[str, ...]
    fallback_on: tuple[FallbackCause, ...]
    price: Price | None
    limits: tuple[Limit, ...] = ()
    prices: tuple[DatedPrice, ...]
