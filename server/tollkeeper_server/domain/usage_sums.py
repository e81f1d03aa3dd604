"""Sums of usage events, as they are asked for and answered."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from tollkeeper_server.domain.usage import UsageGroup

Group = tuple[str | int, ...]
"""One group of events as a store gives it: its fields, its time as text, its numbers."""


class Latency(StrEnum):
    """A length of time that percentiles are taken of: the name of the event's field."""

    DURATION = "duration_us"
    FIRST_BYTE = "first_byte_us"


class UsageOrder(StrEnum):
    """The order of rows: that of the groups' fields, or the largest of these sums first."""

    GROUP = "group"
    REQUESTS = "requests"
    FAILED_REQUESTS = "failed_requests"
    PROMPT_TOKENS = "prompt_tokens"
    COMPLETION_TOKENS = "completion_tokens"
    TOKENS = "tokens"
    COST = "cost"


class UsageSums(Struct, frozen=True):
    """Sums of events. `cost_nano_dollars` is that of `priced_requests`: those whose cost is known."""

    requests: int = 0
    failed_requests: int = 0
    estimated_requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    audio_milliseconds: int = 0
    images: int = 0
    cost_nano_dollars: int = 0
    priced_requests: int = 0
    characters: int = 0
    pages: int = 0


class UsagePercentiles(Struct, frozen=True):
    """The times in microseconds within which so many of a hundred were done."""

    p50_microseconds: int = 0
    p90_microseconds: int = 0
    p95_microseconds: int = 0
    p99_microseconds: int = 0


SUMS = UsageSums.__struct_fields__
"""The sums, in the order in which stores give them."""

DAY_LENGTH = len("2026-01-31")
HOUR_LENGTH = len("2026-01-31T23")
TEN_MINUTES_LENGTH = len("2026-01-31T23:5")
MINUTE_LENGTH = len("2026-01-31T23:59")
SECOND_LENGTH = len("2026-01-31T23:59:59")
TIME_LENGTHS = (0, DAY_LENGTH, HOUR_LENGTH, TEN_MINUTES_LENGTH, MINUTE_LENGTH, SECOND_LENGTH)
"""The beginnings of the text of `started_at` that stand for a time."""

PERCENTS = (50, 90, 95, 99)
"""Those of `UsagePercentiles`."""


class UsageRow(UsageSums, frozen=True, kw_only=True):
    """The sums of one group. Fields that the sums are not grouped by are empty.

    `previous` are the sums of the time before, `duration` and `first_byte` percentiles; each is None unless
    it was asked for. `is_rest`: it sums what is not among the top.
    """

    project_id: str = ""
    token_id: str = ""
    model_served: str = ""
    upstream: str = ""
    endpoint: str = ""
    status_class: str = ""
    error_code: str = ""
    start: datetime | None = None
    is_rest: bool = False
    previous: UsageSums | None = None
    duration: UsagePercentiles | None = None
    first_byte: UsagePercentiles | None = None


class Question(Struct, frozen=True, kw_only=True):
    """What rows are asked for. `top` 0 is all groups, up to `limit` rows."""

    group_by: tuple[UsageGroup, ...] = ()
    order: UsageOrder = UsageOrder.GROUP
    top: int = 0
    limit: int = 10_000
    percentiles: bool = False


class Summary(Struct, frozen=True, kw_only=True):
    """The rows, the sums of all events, and whether there are more rows than these."""

    rows: tuple[UsageRow, ...]
    totals: UsageRow
    truncated: bool
