"""Usage: one event for every authenticated request."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct, structs

BYTES_PER_TOKEN = 4
"""OpenAI's own rule for English text (help article "What are tokens and how to count them?")."""


def estimated_tokens(size: int) -> int:
    """Return the estimated number of tokens in `size` bytes of text, rounded up."""
    return -(-size // BYTES_PER_TOKEN)


class Confidence(StrEnum):
    """Whether token counts are the upstream's own, estimated from the bytes that passed, or absent.

    `PENDING`: a response is made in the background, and its end was not read yet. The counts are what had
    passed by then.
    """

    EXACT = "exact"
    ESTIMATED = "estimated"
    PENDING = "pending"
    NONE = "none"


_BY_SURENESS = (Confidence.NONE, Confidence.PENDING, Confidence.ESTIMATED, Confidence.EXACT)


def less_sure(confidence: Confidence) -> tuple[Confidence, ...]:
    """Return the confidences of counts that give way to counts of this one."""
    return _BY_SURENESS[: _BY_SURENESS.index(confidence)]


class Admission(StrEnum):
    """Whether a request was admitted to the upstreams, and who counts it on its token.

    `request_count` of a token is the number of its requests that are LIMITED or UNLIMITED.
    """

    UNKNOWN = ""
    """An earlier release has written the event. It counted by the limit that the token has meanwhile."""
    NONE = "none"
    """Refused, or answered by the gateway itself: not counted."""
    LIMITED = "limited"
    """Admitted under the token's limit, and counted with that."""
    UNLIMITED = "unlimited"
    """Admitted without a limit: counted when its event is stored."""


class TokenCounts(Struct, frozen=True, kw_only=True, gc=False):
    """The consumption of a request. `prompt` includes `cached`, `completion` includes `reasoning`."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0
    audio_milliseconds: int = 0
    images: int = 0
    confidence: Confidence = Confidence.NONE


class UsageEvent(Struct, frozen=True, kw_only=True, gc=False):
    """One request and its consumption. `id` is unique, so that writing an event twice counts it once.

    One that `amends` brings the counts of a request whose own event was, or will be, written without them: of
    all these counts the surest stay.

    `request_id` is the `x-request-id` of the answer; a caller may choose it, and use one more than once.
    Times are aware UTC; durations are in microseconds.
    """

    id: str
    request_id: str
    project_id: str
    token_id: str
    model_asked: str = ""
    model_served: str = ""
    upstream: str = ""
    endpoint: str
    status: int
    error_code: str = ""
    streamed: bool = False
    tokens: TokenCounts = TokenCounts()
    started_at: datetime
    first_byte_us: int = 0
    duration_us: int = 0
    request_bytes: int = 0
    response_bytes: int = 0
    admission: Admission = Admission.UNKNOWN
    amends: bool = False


def merge(one: UsageEvent, other: UsageEvent) -> UsageEvent:
    """Return what two events with one id say together: that which does not amend, with the surest counts.

    It amends if one of them does: the other may be stored already.
    """
    own, more = (other, one) if one.amends and not other.amends else (one, other)
    if not more.amends:
        return own
    surer = own.tokens.confidence in less_sure(more.tokens.confidence)
    return structs.replace(own, tokens=more.tokens if surer else own.tokens, amends=True)


class Intent(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The facts known about a request before it is dispatched. Its event has the same `id`."""

    id: str
    request_id: str
    project_id: str
    token_id: str
    model_asked: str = ""
    model_served: str = ""
    upstream: str = ""
    endpoint: str
    started_at: datetime
    request_bytes: int = 0
    has_prompt: bool = True
    """Whether its body costs tokens: those of uploads and batches do not."""
    admission: Admission = Admission.UNKNOWN


class UsageGroup(StrEnum):
    """The fields by which sums can be grouped."""

    PROJECT = "project"
    TOKEN = "token"  # noqa: S105 - a field's name
    MODEL = "model"
    UPSTREAM = "upstream"
    DAY = "day"
    HOUR = "hour"


class UsageFilter(Struct, frozen=True, kw_only=True):
    """A filter of events. Empty fields do not filter; `start` is inclusive, `end` exclusive."""

    project_id: str = ""
    token_id: str = ""
    model_served: str = ""
    upstream: str = ""
    request_id: str = ""
    start: datetime | None = None
    end: datetime | None = None


class UsageRow(Struct, frozen=True, kw_only=True):
    """The sums of one group. Fields that the sums are not grouped by are empty."""

    project_id: str = ""
    token_id: str = ""
    model_served: str = ""
    upstream: str = ""
    start: datetime | None = None
    requests: int = 0
    failed_requests: int = 0
    estimated_requests: int = 0
    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0
    audio_milliseconds: int = 0
    images: int = 0
