"""Limits: how much a token, a project, a model, a listener or the whole gateway may use."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tollkeeper.money import dollars

UTC_ZONE = "UTC"


class LimitMeasure(StrEnum):
    """What a limit counts: rates, requests at once, and budgets. `UNKNOWN` is newer than this client."""

    UNKNOWN = "unknown"
    REQUESTS_PER_MINUTE = "requests_per_minute"
    TOKENS_PER_MINUTE = "tokens_per_minute"
    CONCURRENT_REQUESTS = "concurrent_requests"
    REQUESTS = "requests"
    TOKENS = "tokens"
    MONEY = "money"


class LimitPeriod(StrEnum):
    """When a budget starts again at zero; `TOTAL` never does. This client is too old for `UNKNOWN`."""

    UNKNOWN = "unknown"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TOTAL = "total"


@dataclass(frozen=True, slots=True)
class Limit:
    """The most of a measure: an `amount` a minute, at once, or in each `period` of `zone`.

    Money is in nano-dollars, or given as `dollars`, such as "25.50"; what is read has both. `burst` is what a
    rate lets through at once, 0 for the amount of a minute. Requests, tokens and money have a period, and
    only they; its days, weeks and months are those of `zone`. `clamp` lowers the maximum of answers to what
    is left of tokens or money, where a request would be refused. `allow_unpriced` lets pass, and charges
    nothing for, what has no price, under a limit of money.
    """

    measure: LimitMeasure
    amount: int = 0
    burst: int = 0
    period: LimitPeriod | None = None
    zone: str = UTC_ZONE
    clamp: bool = False
    allow_unpriced: bool = False
    dollars: str | None = field(default=None, compare=False)

    def __str__(self) -> str:
        """As the command line writes it: `MEASURE=AMOUNT[/BURST]`, or `MEASURE=AMOUNT/PERIOD[@ZONE]`.

        Money is in dollars. After that comes `:clamp` and `:allow_unpriced`, where they are true.
        """
        amount = str(self.amount)
        if self.measure is LimitMeasure.MONEY:
            amount = self.dollars or dollars(self.amount)
        rest = f"/{self.period}" if self.period else f"/{self.burst}" if self.burst else ""
        zone = f"@{self.zone}" if self.zone != UTC_ZONE else ""
        clamp = ":clamp" if self.clamp else ""
        unpriced = ":allow_unpriced" if self.allow_unpriced else ""
        return f"{self.measure}={amount}{rest}{zone}{clamp}{unpriced}"


class LimitScope(StrEnum):
    """The kind of what a limit stands on. This client is too old for `UNKNOWN`."""

    UNKNOWN = "unknown"
    GATEWAY = "gateway"
    LISTENER = "listener"
    PROJECT = "project"
    MODEL = "model"
    TOKEN = "token"  # noqa: S105 - a kind


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitStanding:
    """How a limit stands, in the unit of its amount. Nothing is known of it if `is_known` is false.

    `scope_id` is the id of a project or token, the name of a listener or model, or empty for the gateway.
    `used` is a budget's alone, `reserved` not a rate's; `left` of a rate is what may pass at once. `share` is
    the part that is not left, from 0 to 1. `resets_at` is when all of it may be reserved again, None if that
    depends on requests. `thresholds` are the percentages that `used` has reached.
    """

    scope: LimitScope
    scope_id: str
    scope_name: str
    limit: Limit
    is_known: bool
    used: int
    reserved: int
    left: int
    share: float
    period_start: datetime | None
    resets_at: datetime | None
    thresholds: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitStandings:
    """How limits stand. `total` is the number of those that were looked at.

    With `tokens_left_out` so many tokens have limits that only those were looked at that were used latest.
    """

    standings: tuple[LimitStanding, ...]
    total: int
    tokens_left_out: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetNotice:
    """Says that a budget has reached `percent` of its amount in a period. `scope_name` is the present one.

    `period_start` is None for a budget in total. `process` is the one whose request reached it.
    """

    id: str
    noticed_at: datetime
    scope: LimitScope
    scope_id: str
    scope_name: str
    limit: Limit
    percent: int
    period_start: datetime | None
    process: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """What holds for the gateway as a whole. `updated_at` is None if nobody has changed it."""

    limits: tuple[Limit, ...]
    updated_at: datetime | None
    etag: str
