"""Usage: one event for every authenticated request."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct, structs

from tollkeeper_server.domain.limit import Charge

BYTES_PER_TOKEN = 4
"""OpenAI's own rule for English text (help article "What are tokens and how to count them?")."""


def estimated_tokens(size: int) -> int:
    """Return the estimated number of tokens in `size` bytes of text, rounded up."""
    return -(-size // BYTES_PER_TOKEN)


class Confidence(StrEnum):
    """Whether token counts are the upstream's own, estimated from the bytes that passed, or absent.

    `PENDING`: a response is made in the background, or a batch, and its end was not read yet. The counts are
    what had passed by then.
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


class TokenDetails(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What few answers say of their consumption, and what its price depends on.

    `prompt` includes the tokens that were written to the provider's cache, `cache_written`, and these those
    that were written for an hour; also those of sound and of images. `service_tier` and `speed` are as the
    answer names them, empty for none.
    """

    cache_written: int = 0
    cache_written_hour: int = 0
    audio_prompt: int = 0
    audio_completion: int = 0
    image_prompt: int = 0
    web_searches: int = 0
    file_searches: int = 0
    annotated_pages: int = 0
    service_tier: str = ""
    speed: str = ""


class TokenCounts(Struct, frozen=True, kw_only=True, gc=False):
    """The consumption of a request. `prompt` includes `cached`, `completion` includes `reasoning`.

    `characters` are those of a text that is spoken, `pages` those of a document that is read. `confidence` is
    that of the tokens; the other counts are exact.
    """

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0
    audio_milliseconds: int = 0
    images: int = 0
    confidence: Confidence = Confidence.NONE
    details: TokenDetails | None = None
    characters: int = 0
    pages: int = 0

    @property
    def has_measures(self) -> bool:
        """Whether something is counted that is no token."""
        return bool(self.audio_milliseconds or self.images or self.characters or self.pages)


class UsageAttempt(Struct, frozen=True, gc=False, array_like=True):
    """One call of an upstream. `status` is 0 if it did not answer; then `error_code` says why.

    Both are empty for one that was given up. `milliseconds` is the time until the answer's head came, or
    until the call failed, `after_milliseconds` the time from the request's arrival until the call began: None
    in the events of earlier releases.
    """

    upstream: str
    status: int = 0
    error_code: str = ""
    milliseconds: int = 0
    after_milliseconds: int | None = None


MOST_ATTEMPTS = 8
"""How many calls of upstreams an event tells of, the first ones."""


class UsageEvent(Struct, frozen=True, kw_only=True, gc=False):
    """One request and its consumption. `id` is unique, so that writing an event twice counts it once.

    One that `amends` brings the counts of a request whose own event was, or will be, written without them: of
    all these counts the surest stay.

    `request_id` is the `x-request-id` of the answer; a caller may choose it, and use one more than once.
    Times are aware UTC; durations are in microseconds. `group` is the one that a rule or the listener's
    default chose, `rule` says which rule matched; both are empty if none did. The cost is None if it is not
    known, and goes with the counts. So does `charges`, what the request has used of budgets; an event that
    amends and has none leaves them as they are.
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
    cost_nano_dollars: int | None = None
    started_at: datetime
    first_byte_us: int = 0
    duration_us: int = 0
    request_bytes: int = 0
    response_bytes: int = 0
    admission: Admission = Admission.UNKNOWN
    amends: bool = False
    attempts: tuple[UsageAttempt, ...] = ()
    listener: str = ""
    group: str = ""
    rule: str = ""
    charges: tuple[Charge, ...] = ()


def merge(one: UsageEvent, other: UsageEvent) -> UsageEvent:
    """Return what two events with one id say together: that which does not amend, with the surest counts.

    It amends if one of them does: the other may be stored already.
    """
    own, more = (other, one) if one.amends and not other.amends else (one, other)
    if not more.amends:
        return own
    counted = more if own.tokens.confidence in less_sure(more.tokens.confidence) else own
    return structs.replace(
        own,
        tokens=counted.tokens,
        cost_nano_dollars=counted.cost_nano_dollars,
        charges=counted.charges or own.charges,
        amends=True,
    )


class Intent(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The facts known about a request before it is dispatched. Its event has the same `id`.

    Of several with one id the last one counts, as of a request that came to hold more.
    """

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
    listener: str = ""
    group: str = ""
    rule: str = ""
    holds: tuple[Charge, ...] = ()
    """All that it holds of budgets: what is charged if nobody settles it."""


class UsageGroup(StrEnum):
    """The fields by which sums can be grouped."""

    PROJECT = "project"
    TOKEN = "token"  # noqa: S105 - a field's name
    MODEL = "model"
    UPSTREAM = "upstream"
    DAY = "day"
    HOUR = "hour"
    ENDPOINT = "endpoint"
    STATUS_CLASS = "status_class"
    ERROR_CODE = "error_code"
    MINUTE = "minute"
    WEEK = "week"
    MONTH = "month"


TIME_GROUPS = (UsageGroup.MINUTE, UsageGroup.HOUR, UsageGroup.DAY, UsageGroup.WEEK, UsageGroup.MONTH)
"""The groups that are times, the shortest first."""


class UsageFilter(Struct, frozen=True, kw_only=True):
    """A filter of events: each field that is not empty wants one of its values.

    Of `statuses` each is the first and the one after the last. `start` is inclusive, `end` exclusive.
    """

    project_id: tuple[str, ...] = ()
    token_id: tuple[str, ...] = ()
    model_served: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()
    request_id: tuple[str, ...] = ()
    endpoint: tuple[str, ...] = ()
    error_code: tuple[str, ...] = ()
    statuses: tuple[tuple[int, int], ...] = ()
    streamed: bool | None = None
    start: datetime | None = None
    end: datetime | None = None

    def takes(self, event: UsageEvent) -> bool:
        """Return whether an event passes the filter."""
        return (
            _wants(self.project_id, event.project_id)
            and _wants(self.token_id, event.token_id)
            and _wants(self.model_served, event.model_served)
            and _wants(self.upstream, event.upstream)
            and _wants(self.request_id, event.request_id)
            and _wants(self.endpoint, event.endpoint)
            and _wants(self.error_code, event.error_code)
            and (not self.statuses or any(first <= event.status < end for first, end in self.statuses))
            and self.streamed in (None, event.streamed)
            and (self.start is None or self.start <= event.started_at)
            and (self.end is None or event.started_at < self.end)
        )


def _wants(values: tuple[str, ...], value: str) -> bool:
    return not values or value in values


class Place(NamedTuple):
    """A place in the order in which events are stored: by the number of their batch, and by id in a batch."""

    number: int
    id: str = ""


class StoredEvent(NamedTuple):
    """An event, and the number of the batch that has stored it, or has made its counts surer."""

    number: int
    event: UsageEvent
