"""A process of a world: its member, its connection, its journal and its callers."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tollkeeper_server.ledger.meter import MeterKind
from tollkeeper_server.ledger.reservation import Outcome, Pending, Refused, shared_out
from tollkeeper_server.ledger.shared.member import Member
from tollkeeper_server.ledger.shared.messages import MANY, Message, decode, encode
from tollkeeper_server.ledger.shared.queue import Post, Reserve

from tests.simulation.truth import FoundError, Place
from tests.unit.ledger.accounts import METERS

if TYPE_CHECKING:
    from tests.simulation.world import World

SECOND = 1_000_000
MINUTE = 60 * SECOND


class Process:
    """A process with its member, its connection, its journal and its callers."""

    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.name = name
        self.alive = True
        self.ending = False
        self.paused_until = 0
        self.connection = 0
        self.connected = False
        self.waking = False
        self.open: dict[str, Pending] = {}
        self.journal: Counter[Place] = Counter()
        self.held_at_death: Counter[Place] = Counter()
        self.contributed: Counter[Place] = Counter()
        self.adopting: list[Process] = []
        self.left_untold = False
        self.member = Member(name, self, crossed=world.crossed, untold=self.untold, expected=MANY)
        world.later(0, self.connect)
        world.of(self, world.chance.randrange(50_000), self.tick)
        world.of(self, world.chance.randrange(SECOND), self.drain)
        world.of(self, world.chance.randrange(SECOND), self.ask_for_something)

    # -- the line of the member

    def send(self, request: Message) -> None:
        """Send a request to the table; the connection may break before it, or before its reply."""
        world, connection = self.world, self.connection
        data = encode(request)

        def arrive() -> None:
            if not world.up or (connection != self.connection and world.chance.random() < 0.5):
                return
            reply = encode(world.answer(decode(data)))
            self.at_table(lambda: world.reply_later(self, connection, reply))

        self.at_table(arrive, world.latency())

    def at_table(self, do: Callable[[], None], delay: int = 0) -> None:
        """Do something at the table, which may be frozen."""
        self.world.later(max(delay, self.world.frozen_until - self.world.now), do)

    def drop(self) -> None:
        """Break the connection, and connect again later."""
        if self.connected:
            self.connected = False
            self.connection += 1
            self.member.disconnected(self.world.now)
            self.world.later(self.world.chance.randrange(10_000, 200_000), self.connect)

    def wake(self) -> None:
        """Flush soon."""
        if not self.waking:
            self.waking = True
            self.world.of(self, self.world.chance.randrange(1000), self.flush)

    def ask(self, key: str, period: int, members: Sequence[str]) -> None:
        """Read the store."""
        world = self.world

        def read() -> None:
            spent = None
            if not world.store_away:
                spent = sum(
                    amount
                    for (owner, place), amount in world.rows.items()
                    if place == (key, period) and owner not in members
                )
            world.of(self, world.latency(), lambda: self.member.seed(key, period, members, spent, world.now))

        world.later(world.latency(), read)

    def untold(self, is_there: bool) -> None:
        """Have it on file whether the table lacks something that this process alone knows."""
        self.left_untold = is_there

    # -- its life

    def connect(self) -> None:
        """Connect if the table is there."""
        if not self.alive or self.connected:
            return
        if not self.world.up:
            self.member.disconnected(self.world.now)
            self.world.later(100_000, self.connect)
            return
        self.connected = True
        self.connection += 1
        self.member.connected(self.world.now)

    def flush(self) -> None:
        """Have the member send."""
        self.waking = False
        self.member.flush(self.world.now)

    def tick(self) -> None:
        """Tell the member the time, now and later."""
        self.member.tick(self.world.now)
        self.world.of(self, 100_000 if self.world.now >= self.world.leaping_until else 15 * SECOND, self.tick)

    def drain(self) -> None:
        """Move settled events into the store, now and later, those of the dead included."""
        world = self.world
        slow = 10 if world.now < world.leaping_until else 1
        world.of(self, slow * world.chance.randrange(200_000, 2 * SECOND), self.drain)
        if world.store_away:
            return
        for place, amount in self.journal.items():
            world.rows[self.name, place] += amount
        self.journal.clear()
        for dead in self.adopting:
            for place, amount in dead.journal.items():
                world.rows[self.name, place] += amount
                self.contributed[place] += amount
                dead.contributed[place] -= amount
            dead.journal.clear()
        self.adopting = []
        if world.orphans and world.chance.random() < 0.5:
            dead = world.orphans.pop(0)
            taken = [(*place, amount) for place, amount in dead.journal.items()]
            self.member.take_over(dead.name, taken, dead.held_at_death)
            self.adopting.append(dead)
            if dead.left_untold:
                self.member.begin_again()

    def end(self) -> None:
        """Admit nothing more, end what is under way, and go, telling the table if it answers in time."""
        if self.ending:
            return
        self.ending = True
        for id_ in list(self.open):
            self.settle(id_)
        world = self.world
        world.of(self, SECOND // 100, self.member.leave)
        world.of(self, SECOND, self.go)

    def go(self) -> None:
        """Be gone. Whoever adopts the journal has what the store and the table were not told."""
        world = self.world
        for id_ in list(self.open):
            self.settle(id_)  # was answered late
        self.alive = False
        if self.connected:
            self.connected = False
            self.connection += 1
        if not (self.adopting or world.store_away):
            for place, amount in self.journal.items():
                world.rows[self.name, place] += amount
            self.journal.clear()
        world.processes.remove(self)
        if self.journal or self.left_untold or self.adopting:
            world.orphans += [self, *self.adopting]
            self.adopting = []
        self.note_unheard()

    def kill(self) -> None:
        """End without a word. What is on file stays: what was settled, and what was reserved."""
        world, truth = self.world, self.world.truth
        self.alive = False
        for pending in self.open.values():
            for part in pending.parts:
                for meter, need, period in zip(part.meters, part.needs, part.periods, strict=True):
                    if meter.kind is not MeterKind.RATE:
                        truth.held[meter.key, period] -= need
                    if meter.kind is MeterKind.BUDGET:
                        truth.spent[meter.key, period] += need
                        self.journal[meter.key, period] += need
                        self.held_at_death[meter.key, period] += need
                    elif meter.kind is MeterKind.SLOTS:
                        self.contributed[meter.key, period] -= need
        for dead in self.adopting:
            for (key, _), amount in dead.journal.items():
                truth.unheard[key] += amount
        self.note_unheard()
        world.processes.remove(self)
        world.orphans += [self, *self.adopting]
        self.adopting = []

    def note_unheard(self) -> None:
        """Note what the table may hold for this process that nobody gives back."""
        truth = self.world.truth
        for entry in (
            *self.member._requests.flight,
            *self.member._requests.queue,
            *self.member._requests.parked,
        ):
            if isinstance(entry, Reserve):
                for meter, need in zip(entry.part.meters, entry.part.needs, strict=True):
                    truth.unheard[meter.key] += need
            elif isinstance(entry, Post):
                for meter, need, used in zip(entry.part.meters, entry.part.needs, entry.used, strict=True):
                    truth.unheard[meter.key] += max(need - used, 0)

    # -- its callers

    def ask_for_something(self) -> None:
        """Have a caller come, and another one later."""
        world = self.world
        if world.ending or self.ending:
            return
        pause = max(world.leaping_until - world.now, 0) + world.chance.randrange(1, 150_000)
        world.of(self, pause, self.ask_for_something)
        if world.now < world.leaping_until:
            return
        chance = world.chance
        meters = tuple(chance.sample(METERS, chance.choice([1, 2, 3, len(METERS)])))
        needs = [1 if meter.amount < 1000 else chance.choice([1, 40, 400, 900]) for meter in meters]
        id_ = f"{self.name}-{next(world.numbers)}"
        self.member.reserve(id_, meters, needs, world.now, lambda answer: self.answered(id_, answer))
        if chance.random() < 0.05:
            world.of(self, chance.randrange(20_000), lambda: self.member.cancel(id_))

    def answered(self, id_: str, answer: Outcome | None, parent: str = "") -> None:
        """Take the answer to a reservation."""
        world = self.world
        world.told[type(answer).__name__ if not isinstance(answer, Refused) else answer.cause.name] += 1
        if not isinstance(answer, Pending):
            return
        alone = self.member._share is not None
        world.told["alone"] += alone
        for meter, need, period in zip(answer.meters, answer.needs, answer.periods, strict=True):
            if meter.kind is not MeterKind.RATE:
                place = meter.key, period
                world.truth.held[place] += need
                self.contributed[place] += need
                if alone:
                    world.truth.alone[place] += need
                world.truth.hold_to(meter, place)
        if parent:
            return
        self.open[id_] = answer
        chance = world.chance
        if chance.random() < 0.2:
            world.of(self, chance.randrange(500_000), lambda: self.top_up(id_))
        lasts = chance.choice([1000, 50_000, SECOND, SECOND, 5 * SECOND, 3 * MINUTE])
        world.of(self, chance.randrange(lasts), lambda: self.settle(id_))

    def top_up(self, id_: str) -> None:
        """Have a stream ask for more."""
        pending = self.open.get(id_)
        if pending is not None:
            needs = [0 if meter.kind is MeterKind.SLOTS else 1 for meter in pending.meters]
            self.member.top_up(
                id_, needs, self.world.now, lambda answer: self.answered(id_, answer, parent=id_)
            )

    def settle(self, id_: str) -> None:
        """End a request, unless that is done."""
        pending, chance, truth = self.open.pop(id_, None), self.world.chance, self.world.truth
        if pending is None:
            return
        unused = chance.random()
        actual = [0 if unused < 0.1 else chance.randrange(need + 1) for need in pending.held]
        for part, used in shared_out(pending, actual):
            for meter, need, period, amount in zip(part.meters, part.needs, part.periods, used, strict=True):
                place = meter.key, period
                if meter.kind is not MeterKind.RATE:
                    truth.held[place] -= need
                    self.contributed[place] -= need
                if meter.kind is MeterKind.BUDGET:
                    truth.spent[place] += amount
                    self.contributed[place] += amount
                    self.journal[place] += amount
        if not self.member.settle(id_, actual):
            raise FoundError(f"{id_} was not pending")
        if self.member.settle(id_, actual):
            raise FoundError(f"{id_} was settled twice")
