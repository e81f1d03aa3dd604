"""Usage: events, and sums of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import overload


class Confidence(StrEnum):
    """How sure a token count is: the upstream said so, counted from what passed, or nothing to count.

    Pending: a response is made in the background and its end was not read yet; the count changes once.
    """

    UNKNOWN = "unknown"
    EXACT = "exact"
    ESTIMATED = "estimated"
    NONE = "none"
    PENDING = "pending"


class UsageGroup(StrEnum):
    """A field by which sums may be grouped. Times are those of a time zone; weeks begin on Monday."""

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


class UsageOrder(StrEnum):
    """The order of rows: that of the groups' fields, or the largest of these sums first."""

    GROUP = "group"
    REQUESTS = "requests"
    FAILED_REQUESTS = "failed_requests"
    PROMPT_TOKENS = "prompt_tokens"
    COMPLETION_TOKENS = "completion_tokens"
    TOKENS = "tokens"
    COST = "cost"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageAttempt:
    """One call of an upstream. `status` is 0 if it did not answer; then `error_code` says why.

    `milliseconds` is the time until the answer's head came, or until the call failed, `after_milliseconds`
    the time from the request's arrival until the call began, None if that is not known.
    """

    upstream: str
    status: int
    error_code: str
    milliseconds: int
    after_milliseconds: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageDetails:
    """What few answers say of their consumption. The tokens are those of prompt and completion.

    `cache_written` includes `cache_written_hour`. An empty `service_tier` or `speed` is the usual one.
    """

    cache_written: int
    cache_written_hour: int
    audio_prompt: int
    audio_completion: int
    image_prompt: int
    web_searches: int
    service_tier: str
    speed: str
    file_searches: int
    annotated_pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageEvent:
    """One request and its usage. Prompt includes cached, completion includes reasoning tokens.

    `cost_nano_dollars` is None if the cost is not known.

    `attempts` are the first eight calls of upstreams. `group` is the one that a rule or the listener's
    default chose, `rule` says which rule matched. Names are the present ones.
    """

    id: str
    request_id: str
    project_id: str
    token_id: str
    model_asked: str
    model_served: str
    upstream: str
    endpoint: str
    status: int
    error_code: str
    streamed: bool
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    audio_milliseconds: int
    images: int
    confidence: Confidence
    started_at: datetime | None
    first_byte_microseconds: int
    duration_microseconds: int
    request_bytes: int
    response_bytes: int
    attempts: tuple[UsageAttempt, ...] = ()
    listener: str = ""
    group: str = ""
    rule: str = ""
    project_name: str = ""
    token_name: str = ""
    details: UsageDetails | None = None
    cost_nano_dollars: int | None = None
    characters: int = 0
    pages: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSums:
    """Sums of events. `cost_nano_dollars` is what `priced_requests` cost, whose cost is known."""

    requests: int
    failed_requests: int
    estimated_requests: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    audio_milliseconds: int
    images: int
    cost_nano_dollars: int = 0
    priced_requests: int = 0
    characters: int = 0
    pages: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePercentiles:
    """The times within which so many of a hundred were done, at most 1.6 % off."""

    p50_microseconds: int
    p90_microseconds: int
    p95_microseconds: int
    p99_microseconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageNews:
    """What a watch of usage tells at once: events as they are stored, each once, and amended ones.

    Those were told before, and their counts are now surer.

    `dropped` is how many were left out before, because they were read too late. `last_id` says how far this
    reaches.
    """

    events: tuple[UsageEvent, ...]
    amended: tuple[UsageEvent, ...]
    dropped: int
    last_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """The sum over one group. Fields that were not grouped by are empty.

    `is_rest`: it sums all groups that are not among the top. `previous` are the sums of the time before,
    `duration` and `first_byte` percentiles; each is None unless it was asked for. Names are the present ones.
    """

    project_id: str
    token_id: str
    model: str
    upstream: str
    start_time: datetime | None
    requests: int
    failed_requests: int
    estimated_requests: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    audio_milliseconds: int
    images: int
    endpoint: str = ""
    status_class: str = ""
    error_code: str = ""
    is_rest: bool = False
    project_name: str = ""
    token_name: str = ""
    previous: UsageSums | None = None
    duration: UsagePercentiles | None = None
    first_byte: UsagePercentiles | None = None
    cost_nano_dollars: int = 0
    priced_requests: int = 0
    characters: int = 0
    pages: int = 0


@dataclass(frozen=True, slots=True)
class UsageSummary(Sequence[UsageRow]):
    """The rows that were asked for, which it is a sequence of.

    `totals` are the sums of all events, `truncated` says that there are more rows than these. The time before
    began at `previous_start_time`, if it was asked for.
    """

    rows: tuple[UsageRow, ...]
    totals: UsageRow
    truncated: bool
    previous_start_time: datetime | None

    @overload
    def __getitem__(self, at: int) -> UsageRow: ...

    @overload
    def __getitem__(self, at: slice) -> tuple[UsageRow, ...]: ...

    def __getitem__(self, at: int | slice) -> UsageRow | tuple[UsageRow, ...]:
        """Return a row, or some rows."""
        return self.rows[at]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)
