"""What a member has to tell the table: entries that become the operations of a batch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tollkeeper_server.ledger.meter import METER_KEY, Meter, MeterKind
from tollkeeper_server.ledger.reservation import Outcome, Pending, Standing
from tollkeeper_server.ledger.shared.messages import MEMBER_KEY, TICK, Message, Op

Done = Callable[[Outcome | None], None]
"""Is called once with the answer to a reservation; None if what was to be topped up has ended."""
Periods = Callable[[Meter], int]
"""Returns the present period of a meter."""
# Numbers that are members of an enumeration take several times as long to encode.
_RESERVE, _POST = int(Op.RESERVE), int(Op.POST)
_BUDGET, _RATE = int(MeterKind.BUDGET), int(MeterKind.RATE)


class Keys:
    """The keys of a batch, each once, and the place of each."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}

    def place(self, key: str) -> int:
        """Return the place of a key."""
        places = self.places
        place = places.get(key)
        if place is None:
            place = places[key] = len(places)
        return place

    def meter(self, key: str) -> int:
        """Return the place of a meter's key."""
        return self.place(METER_KEY + key)


@dataclass(slots=True, eq=False)
class Reserve:
    """A reservation to be made: what the caller is told, by `done`, unless it has given up.

    `parent` is the reservation that it tops up.
    """

    part: Pending
    done: list[Done]
    parent: str = ""
    tries: int = 0

    def operation(self, keys: Keys, period: Periods) -> Message:
        """Return the operation, and note the periods that are asked for."""
        numbers: list[int] = []
        periods = []
        part, place = self.part, keys.place
        for meter, need in zip(part.meters, part.needs, strict=True):
            code = meter.code
            now = period(meter) if code == _BUDGET else 0
            bound = meter.rate.burst if code == _RATE else now
            numbers += (place(meter.wire_key), code, need, meter.amount, bound)
            periods.append(now)
        part.periods = periods
        return [_RESERVE, numbers]

    def at(self, place: int) -> tuple[Meter, int]:
        """Return the meter at a place of the operation, and its period."""
        return self.part.meters[place], self.part.periods[place]

    def tell(self, answer: Outcome | None) -> None:
        """Tell whoever waits."""
        told, self.done = self.done, []
        for one in told:
            one(answer)


@dataclass(slots=True, eq=False)
class Post:
    """A part of a reservation that was settled. If it is `forced`, this process has made the part alone."""

    part: Pending
    used: Sequence[int]
    forced: bool = False

    def operation(self, keys: Keys, period: Periods) -> Message:  # noqa: ARG002 - as the other entries
        """Return the operation."""
        numbers: list[int] = []
        part, place, forced = self.part, keys.place, self.forced
        tick = part.at // TICK
        for meter, need, begun, used in zip(part.meters, part.needs, part.periods, self.used, strict=True):
            code = meter.code
            if code == _RATE:
                held, charged = (0, need) if forced else (need, used)
                numbers += (place(meter.wire_key), code, held, charged, begun, 0, meter.amount)
            else:
                held, charged = (-need, 0) if forced else (need, used)
                numbers += (place(meter.wire_key), code, held, charged, begun, tick, meter.amount)
        return [_POST, numbers]

    def at(self, place: int) -> tuple[Meter, int]:
        """Return the meter at a place of the operation, and its period."""
        return self.part.meters[place], self.part.periods[place]


@dataclass(slots=True, eq=False)
class Renew:
    """Moves what a part holds to a later tick: it lives on."""

    part: Pending
    tick: int

    def operation(self, keys: Keys, period: Periods) -> Message:  # noqa: ARG002 - as the other entries
        """Return the operation, and note the tick."""
        numbers: list[int] = []
        before = self.part.at // TICK
        for meter, need, begun in zip(self.part.meters, self.part.needs, self.part.periods, strict=True):
            if meter.code != _RATE:
                place = keys.place(meter.wire_key)
                numbers += (place, meter.code, need, 0, begun, before, meter.amount)
                numbers += (place, meter.code, -need, 0, begun, self.tick, meter.amount)
        self.part.at = self.tick * TICK
        return [_POST, numbers]

    def at(self, place: int) -> tuple[Meter, int]:
        """Return the meter at a place of the operation, and its period."""
        pairs = zip(self.part.meters, self.part.periods, strict=True)
        return [it for it in pairs if it[0].code != _RATE][place // 2]


@dataclass(slots=True, eq=False)
class Seed:
    """What those who are not members have spent in a period that began before the epoch.

    `members` is how many were known: if another has joined, the store has what it spent as of no member.
    """

    members: int
    key: str
    period: int
    spent: int

    def operation(self, keys: Keys, period: Periods) -> Message:  # noqa: ARG002 - as the other entries
        """Return the operation."""
        return [Op.SEED, [self.members, keys.meter(self.key), self.period, self.spent]]


@dataclass(slots=True, eq=False)
class Take:
    """What a process that died has spent by events that this one has stored: key, period and amount.

    `held` is how much of that it held when it died, by key and period.
    """

    owner: str
    spent: Sequence[tuple[str, int, int]]
    held: Mapping[tuple[str, int], int]

    def operation(self, keys: Keys, period: Periods) -> Message:  # noqa: ARG002 - as the other entries
        """Return the operation."""
        numbers = [keys.place(MEMBER_KEY + self.owner)]
        for key, begun, amount in self.spent:
            numbers += (keys.meter(key), begun, amount, self.held.get((key, begun), 0))
        return [Op.TAKE, numbers]


@dataclass(slots=True, eq=False)
class Look:
    """A question how meters stand."""

    meters: Sequence[Meter]
    done: Callable[[list[Standing | None]], None]
    periods: list[int] = field(default_factory=list)

    def operation(self, keys: Keys, period: Periods) -> Message:
        """Return the operation, and note the present periods."""
        numbers: list[int] = []
        self.periods = []
        for meter in self.meters:
            now = period(meter) if meter.code == _BUDGET else 0
            bound = meter.rate.burst if meter.code == _RATE else now
            numbers += (keys.place(meter.wire_key), meter.code, meter.amount, bound)
            self.periods.append(now)
        return [Op.LOOK, numbers]


class Leave:
    """The member ends."""

    def operation(self, keys: Keys, period: Periods) -> Message:  # noqa: ARG002 - as the other entries
        """Return the operation."""
        return [Op.LEAVE, []]


Entry = Reserve | Post | Renew | Seed | Take | Look | Leave
