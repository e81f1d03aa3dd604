"""Limits: what a scope may use, how much of it, and in which period."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from tollkeeper_server.domain.period import Calendar, Period, calendar_of
from tollkeeper_server.domain.rate import MOST_A_MINUTE

MOST = 2**52
"""The largest amount: 4.5 million dollars in nano-dollars. Redis' numbers are exact up to twice that."""
THRESHOLDS = (80, 95)
"""The percentages of a budget whose use is told, once a period."""
UTC_ZONE = "UTC"


class ScopeKind(StrEnum):
    """The kinds of things that limits stand on."""

    GATEWAY = "gateway"
    LISTENER = "listener"
    PROJECT = "project"
    MODEL = "model"
    TOKEN = "token"  # noqa: S105 - a kind of scope


class Scope(Struct, frozen=True):
    """What a limit stands on. `id` is a project's or token's id, a listener's or model's name, or empty."""

    kind: ScopeKind
    id: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError if the id does not suit the kind."""
        if (self.kind is ScopeKind.GATEWAY) == bool(self.id):
            raise ValueError("id: names what the limit stands on; the whole gateway alone has none")

    @property
    def words(self) -> str:
        """What people are told of it."""
        return f"{self.kind} {self.id}" if self.id else "the gateway"


class Measure(StrEnum):
    """What is limited. Money is in nano-dollars."""

    REQUEST_RATE = "requests_per_minute"
    TOKEN_RATE = "tokens_per_minute"  # noqa: S105 - a measure
    CONCURRENT = "concurrent_requests"
    REQUESTS = "requests"
    TOKENS = "tokens"
    MONEY = "money"

    @property
    def is_rate(self) -> bool:
        """Whether it is so much a minute, which is earned all the time."""
        return self in _RATES

    @property
    def is_budget(self) -> bool:
        """Whether it is an amount to be used up in a period."""
        return self in _BUDGETS


_RATES = frozenset({Measure.REQUEST_RATE, Measure.TOKEN_RATE})
_BUDGETS = frozenset({Measure.REQUESTS, Measure.TOKENS, Measure.MONEY})
_CLAMPED = frozenset({Measure.TOKENS, Measure.MONEY})
_OF_MACHINE = frozenset({"localtime", "posixrules", "Factory"})
_OTHER_CLOCKS = ("right/", "posix/")
"""Those with leap seconds, and copies without."""


class Limit(Struct, frozen=True, kw_only=True):
    """The most of a measure: an `amount` a minute, at once, or in each period of `zone`.

    `burst` is what a rate lets through at once, a minute's amount if it is 0. Other measures have none.
    Budgets alone have a period, and some of their periods a zone. A request that may use more tokens or money
    than is left is refused, unless its answer's maximum can be lowered to that (`clamp`). What has no price
    may not be used under a limit of money, unless it is to cost nothing there (`allow_unpriced`).
    """

    said_elsewhere: ClassVar = frozenset({"dollars"})
    """What messages say beside this: the amount of money in dollars (`management/limits.py`)."""

    measure: Measure
    amount: int
    burst: int = 0
    period: Period | None = None
    zone: str = UTC_ZONE
    clamp: bool = False
    allow_unpriced: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError, which begins with the name of the field, `amount: …`, and says what to do."""
        most = MOST_A_MINUTE if self.measure.is_rate else MOST
        if not 1 <= self.amount <= most:
            raise ValueError(f"amount: must be between 1 and {most:,}, not {self.amount:,}")
        if self.burst and not self.measure.is_rate:
            raise ValueError(f"burst: {self.measure} has none, only a rate has one; leave it out")
        if not 0 <= self.burst <= MOST_A_MINUTE:
            raise ValueError(f"burst: must be between 0 and {MOST_A_MINUTE:,}, not {self.burst:,}")
        if self.measure.is_budget and self.period is None:
            periods = ", ".join(Period)
            raise ValueError(f"period: {self.measure} is a budget and needs one; give one of {periods}")
        if self.period is not None and not self.measure.is_budget:
            raise ValueError(f"period: {self.measure} has none, only a budget has one; leave it out")
        if self.clamp and self.measure not in _CLAMPED:
            raise ValueError(
                f"clamp: {self.measure} has nothing to clamp, only tokens and money do; leave it out"
            )
        if self.allow_unpriced and self.measure is not Measure.MONEY:
            raise ValueError(
                f"allow_unpriced: {self.measure} asks for no price, only money does; leave it out"
            )
        if self.zone == UTC_ZONE:
            return
        if self.period in (None, Period.HOUR, Period.TOTAL):
            raise ValueError("zone: only days, weeks and months are those of a zone; leave it out")
        if self.zone in _OF_MACHINE or self.zone.startswith(_OTHER_CLOCKS):
            raise ValueError(
                "zone: is the name of a file beside the IANA time zones, which may differ between machines; "
                "name the zone of a place, such as Europe/Berlin"
            )
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                "zone: is not a name of the IANA time zone database that is known here, such as Europe/Berlin"
            ) from None


class Charge(Struct, frozen=True, array_like=True, gc=False):
    """What a request holds, or has used, of a budget in a period (`key_of`, `Period`)."""

    key: str
    period: int
    amount: int


def share_out(amount: int, held: Sequence[int]) -> list[int]:
    """Return what each part that is held is charged of an amount: what goes beyond all, the last one."""
    shares = []
    for part in held[:-1]:
        shares.append(min(amount, part))
        amount -= shares[-1]
    return [*shares, amount]


def key_of(scope: Scope, limit: Limit) -> str:
    """Return the name under which what a scope uses is counted.

    The amount is no part of it: a limit that is raised goes on with what has been used.
    """
    name = str(limit.measure)
    if limit.period is not None:
        name += f":{limit.period}" if limit.zone == UTC_ZONE else f":{limit.period}@{limit.zone}"
    return f"{name}:{scope.kind}:{scope.id}"


def measure_of_key(key: str) -> Measure:
    """Return the measure of what is counted under a key."""
    return Measure(key.partition(":")[0])


def calendar_of_key(key: str) -> Calendar:
    """Return the calendar of the budget that is counted under a key."""
    return calendar_named(calendar_name(key))


def calendar_name(key: str) -> str:
    """Return the name of the calendar of the budget that is counted under a key, as `day` or `month@ZONE`."""
    return key.split(":", 2)[1]


def calendar_named(name: str) -> Calendar:
    """Return the calendar that `calendar_name` names.

    Raises ValueError if there is no such period, `zoneinfo.ZoneInfoNotFoundError` if there is no such zone.
    """
    period, _, zone = name.partition("@")
    return calendar_of(Period(period), zone or UTC_ZONE)


def difference(before: Iterable[Charge], after: Iterable[Charge]) -> list[Charge]:
    """Return by what charges change, by key and period; a negative amount is given back."""
    amounts: dict[tuple[str, int], int] = {}
    for sign, charges in ((-1, before), (1, after)):
        for charge in charges:
            place = charge.key, charge.period
            amounts[place] = amounts.get(place, 0) + sign * charge.amount
    return [Charge(key, period, amount) for (key, period), amount in amounts.items() if amount]


def thresholds_reached(spent: int, amount: int) -> int:
    """Return how many of `THRESHOLDS` the part of a budget has reached that is spent."""
    return sum(spent >= amount - amount * (100 - percent) // 100 for percent in THRESHOLDS)
