"""A seeded world: a table, members, a store, clocks, messages and everything that can go wrong with them.

One seed decides all of it, in one process and in no real time. What callers were told is the truth; at every
reservation it is held against the limits, and at the end against the table and the store.
"""

import copy
import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tollkeeper_server.ledger.meter import Meter, MeterKind
from tollkeeper_server.ledger.shared.messages import Code, Message, Op, Verb, decode
from tollkeeper_server.ledger.shared.table import Table

from tests.simulation.chances import KINDS, Chances
from tests.simulation.comparing import compare, compare_crossings
from tests.simulation.process import MINUTE, SECOND, Process
from tests.simulation.truth import FoundError, Place, Truth
from tests.unit.ledger.accounts import START


@dataclass
class World:
    """Runs events in the order of their times. `log` has what went wrong on purpose."""

    seed: int
    chances: Chances
    now: int = START
    up: bool = True
    store_away: bool = False
    frozen_until: int = 0
    leaping_until: int = 0
    ending: bool = False
    ahead: int = 0
    stepping_from: int = 0
    log: list[str] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)
    crossings: Counter[tuple[str, int]] = field(default_factory=Counter)
    rows: Counter[tuple[str, Place]] = field(default_factory=Counter)
    orphans: list[Process] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.now += self.chance.choice([0, 60 * MINUTE - 2 * SECOND])  # an hour ends in half of the worlds
        self.numbers = itertools.count()
        self._order = itertools.count()
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self.table = Table(run="run 0")
        self._states: list[bytes] = []
        self.truth = Truth()
        self._older: list[Table] = []
        for _ in range(self.chances.processes):
            self.start_process()

    # -- time

    def later(self, delay: int, do: Callable[[], None]) -> None:
        """Do something after a delay in microseconds."""
        heapq.heappush(self._events, (self.now + delay, next(self._order), do))

    def of(self, process: Process, delay: int, do: Callable[[], None]) -> None:
        """Do something in a process, if it lives then, and when it is not paused."""

        def run() -> None:
            if not process.alive:
                return
            if process.paused_until > self.now:
                self.later(process.paused_until - self.now, run)
            else:
                do()

        self.later(delay, run)

    def run_until(self, end: int) -> None:
        """Let time pass."""
        while self._events and self._events[0][0] <= end:
            self.now, _, do = heapq.heappop(self._events)
            do()
        self.now = end

    def latency(self) -> int:
        """Return how long a message takes."""
        return self.chance.choice([50, 200, 1000, 5000])

    # -- the table

    def answer(self, request: Message) -> Message:
        """Have the table answer, and note what it could not know."""
        reply = self.table.answer(request, self.now + self.ahead)
        if request[0] == Verb.BATCH and reply[0] == Code.OK:
            keys = request[4]
            for (op, numbers), result in zip(request[5], reply[4:], strict=True):
                if op == Op.RESERVE and result[0]:
                    for at in range(0, len(numbers), 5):
                        key, kind, period = keys[numbers[at]], numbers[at + 1], numbers[at + 4]
                        if kind != MeterKind.RATE:
                            self._note_missing((key.removeprefix("m:"), period))
        return reply

    def _note_missing(self, place: Place) -> None:
        names = self.table.names
        missing = sum(
            process.contributed[place]
            for process in (
                *self.processes,
                *self.orphans,
                *(it for p in self.processes for it in p.adopting),
            )
            if process.name not in names
        )
        self.truth.missing[place] = max(self.truth.missing[place], missing)

    def reply_later(self, process: Process, connection: int, reply: bytes) -> None:
        """Bring a reply to a process, unless its connection breaks."""

        def arrive() -> None:
            if process.connection == connection and process.connected:
                process.member.received(decode(reply), self.now)

        self.of(process, self.latency(), arrive)

    def crossed(self, meter: Meter, reached: int) -> None:
        """Count a threshold that was told."""
        self.crossings[meter.key, reached] += 1

    # -- what goes wrong

    def start_process(self) -> None:
        """Start one more."""
        self.processes.append(Process(self, f"p{next(self.numbers)}"))

    def go_wrong(self) -> None:
        """Have something go wrong, perhaps, in this tenth of a second."""
        chances, chance = self.chances, self.chance

        def happens(rate: float) -> bool:
            return rate > 0 and chance.random() < rate / 10

        if happens(chances.breaks):
            self._note("break")
            chance.choice(self.processes).drop()
        if happens(chances.kills):
            process = chance.choice(self.processes)
            self._note(f"kill {process.name}")
            process.kill()
            self.start_process()
        if happens(chances.ends):
            process = chance.choice(self.processes)
            self._note(f"end {process.name}")
            process.end()
            self.start_process()
        if happens(chances.pauses):
            process = chance.choice(self.processes)
            process.paused_until = self.now + chance.choice([SECOND // 10, SECOND, 4 * SECOND])
            self._note(f"pause {process.name}")
        if happens(chances.flushes):
            self._note("flush")
            self.table = Table(run=self.table.run)
        if happens(chances.restarts):
            self._restart(Table(run=f"run {next(self.numbers)}"), "restart empty")
        if happens(chances.old_states):
            self._restart(
                self._copy(self.table), "restart from an old state", chance.randrange(10_000, SECOND)
            )
        if happens(chances.stops):
            self.frozen_until = self.now + chance.choice([SECOND // 5, SECOND, 3 * SECOND])
            self._note("freeze")
        if happens(chances.outages):
            self._restart(None, "outage")
        if happens(chances.steps) and self.now >= self.stepping_from:
            self.stepping_from = (
                self.now + 2 * SECOND
            )  # slots that are renewed outlive one step, not two at once
            self.ahead = chance.choice([-60 * MINUTE, -MINUTE, 0, 0, SECOND, MINUTE, 60 * MINUTE])
            self._note("step")
        if happens(chances.store_away):
            self.store_away = not self.store_away
            self._note("store")
        if happens(chances.leaps) and self.now >= self.leaping_until:
            self.leaping_until = self.now + chance.choice([MINUTE, 3 * MINUTE, 40 * MINUTE])
            self._note("leap")

    def _note(self, what: str) -> None:
        self.log.append(f"{(self.now - START) / SECOND:.3f} {what}")

    def _copy(self, table: Table) -> Table:
        copied = copy.deepcopy(table)
        copied.run = f"run {next(self.numbers)}"
        return copied

    def _restart(self, table: Table | None, what: str, after: int = 0) -> None:
        """Have the table be away, after so many microseconds, and it or another be there a while later."""

        def end() -> None:
            self._note(what)
            self.up = False
            for process in list(self.processes):
                process.drop()
            self.later(self.chance.choice([10_000, 100_000, 2 * SECOND]), begin)

        def begin() -> None:
            self.table, self.up = table or self.table, True
            for process in list(self.processes):
                process.drop()

        self.later(after, end)

    # -- a run

    def run(self) -> None:
        """Let the world run its course, heal it, and hold what is left to the truth."""
        end = self.now + self.chances.seconds * SECOND
        while self.now < end:
            self.run_until(min(self.now + SECOND // 10, end))
            self.go_wrong()
            if self.leaping_until > self.now:
                end += self.leaping_until - self.now
                self.run_until(self.leaping_until)
        self.ending, self.store_away = True, False
        self.run_until(self.now + 5 * SECOND)
        self.leaping_until = self.now + 3 * MINUTE
        self.run_until(self.leaping_until)
        self.run_until(self.now + 30 * SECOND)
        for process in self.processes:
            if process.open or process.member.pending or not process.member.idle:
                raise FoundError(
                    f"{process.name} has something left: {process.open}, {process.member._requests.queue}"
                )
            if process.member.epoch != self.table.epoch or process.journal or process.adopting:
                raise FoundError(
                    f"{process.name} is behind: epoch {process.member.epoch} of {self.table.epoch}, "
                    f"{process.journal}, {process.adopting}"
                )
        if self.orphans or any(self.truth.held.values()):
            raise FoundError("something is held")
        compare(self)
        self.leaping_until = self.now + 61 * MINUTE
        self.run_until(self.leaping_until)
        for meter, standing in compare(self):
            if standing.held:
                raise FoundError(f"{meter.key}: {standing.held} is held by nobody")
        if not (self.log or self.chances.leaps):
            compare_crossings(self)


def world_of(seed: int) -> World:
    """Return the world of a seed."""
    names = list(KINDS)
    return World(seed, KINDS[names[seed % len(names)]])
