"""The meters of a request as it uses them: what is the same for all requests with these is made once."""

from collections.abc import Sequence

from tollkeeper_server.domain.headers import Header
from tollkeeper_server.domain.limit import Limit, Measure
from tollkeeper_server.domain.token import Token
from tollkeeper_server.ledger.meter import Meter, MeterKind
from tollkeeper_server.snapshot.meters import TokenMeters, meters_for
from tollkeeper_server.snapshot.model import ListenerView, Meters, ProjectView, Route, Snapshot

COUNTED, PACED, TOKENS, MONEY = range(4)
"""The kinds of needs: of one request; of tokens a minute, tokens in all, and nano-dollars."""
_NEEDS = {Measure.TOKEN_RATE: PACED, Measure.TOKENS: TOKENS, Measure.MONEY: MONEY}
_SUFFIXES = {Measure.REQUEST_RATE: b"requests", Measure.TOKEN_RATE: b"tokens"}
_REMEMBERED = 4096
BUDGET_USED = b"x-tollkeeper-budget-used"
MAX_OUTPUT = b"x-tollkeeper-max-output"
"""The most tokens that the answer may have, where the gateway has written that into the request."""
STANDING_HEADERS = frozenset(
    b"x-ratelimit-" + value + suffix
    for value in (b"limit-", b"remaining-", b"reset-")
    for suffix in _SUFFIXES.values()
) | {BUDGET_USED, MAX_OUTPUT}
"""The names of the headers that tell how meters stand, and what they have changed."""


class RateSet:
    """The rates of a measure, and the names of the headers that tell how one of them stands."""

    __slots__ = ("burst", "limits", "meters", "remaining", "reset", "whole")

    def __init__(self, measure: Measure, meters: Sequence[Meter]) -> None:
        suffix = _SUFFIXES[measure]
        self.meters = meters
        self.limits: tuple[Header, ...] = tuple(
            (b"x-ratelimit-limit-" + suffix, b"%d" % meter.amount) for meter in meters
        )
        """The header of each meter that says its amount."""
        self.remaining = b"x-ratelimit-remaining-" + suffix
        self.reset = b"x-ratelimit-reset-" + suffix
        self.burst = meters[0].rate.burst
        self.whole: tuple[Header, ...] = (
            self.limits[0],
            (self.remaining, b"%d" % self.burst),
            (self.reset, b"0s"),
        )
        """The headers of the first meter, which has `burst`, if all of that may be used."""


class MeterSet:
    """Meters. `needs` are the kinds of what a request needs of each. `budgets` are the places of budgets, and
    their keys.

    `counted` has those that count requests alone: itself, if all do. `is_bounded` says that some are budgets
    of tokens or money, `has_money` that some are of money, `asks_prices` that one of these refuses what has
    no price, `clamps` that one has answers made shorter.
    """

    __slots__ = (
        "asks_prices",
        "budgets",
        "clamps",
        "counted",
        "has_money",
        "is_bounded",
        "meters",
        "needs",
        "ones",
        "rates",
    )

    def __init__(self, meters: Meters) -> None:
        self.meters = meters
        self.needs = tuple(_NEEDS.get(meter.limit.measure, COUNTED) for meter in meters)
        self.budgets = tuple((at, it.key) for at, it in enumerate(meters) if it.kind is MeterKind.BUDGET)
        self.rates = tuple(
            RateSet(measure, found)
            for measure in _SUFFIXES
            if (found := [meter for meter in meters if meter.limit.measure is measure])
        )
        self.is_bounded = TOKENS in self.needs or MONEY in self.needs
        self.has_money = MONEY in self.needs
        limits = [meter.limit for meter in meters]
        self.asks_prices = any(it.measure is Measure.MONEY and not it.allow_unpriced for it in limits)
        self.clamps = any(it.clamp for it in limits)
        self.ones = (1,) * len(meters)
        counted = tuple(meter for meter, need in zip(meters, self.needs, strict=True) if need == COUNTED)
        self.counted: MeterSet = self if len(counted) == len(meters) else MeterSet(counted)


class MeterSets:
    """The sets of the meters that requests have, made once each."""

    def __init__(self) -> None:
        self._of_tokens = TokenMeters()
        self._made: dict[Meters, MeterSet] = {}
        self._snapshot: Snapshot | None = None
        # Of the snapshot: by token (which has one project), listener and model, with the limits of the token.
        self._found: dict[tuple[str, str, str], tuple[tuple[Limit, ...], MeterSet]] = {}

    def of_request(
        self,
        snapshot: Snapshot,
        view: ListenerView | None,
        project: ProjectView,
        route: Route | None,
        token: Token,
    ) -> MeterSet:
        """Return the set of all meters of a request."""
        if snapshot is not self._snapshot or len(self._found) >= _REMEMBERED:
            self._found.clear()
            self._snapshot = snapshot
        of = (token.id, "" if view is None else view.name, "" if route is None else route.name)
        found = self._found.get(of)
        if found is not None and found[0] is token.limits:
            return found[1]
        meters = self.of(meters_for(snapshot, view, project, route, self._of_tokens.of(token)))
        self._found[of] = (token.limits, meters)
        return meters

    def of(self, meters: Meters) -> MeterSet:
        """Return the set of these meters."""
        found = self._made.get(meters)
        if found is None:
            if len(self._made) >= _REMEMBERED:
                self._made.clear()  # those of snapshots and tokens that are gone are among them
            found = self._made[meters] = MeterSet(meters)
        return found
