"""What is left of a world that was healed: the table and the store are held to the truth."""

from collections import Counter
from typing import TYPE_CHECKING

from tollkeeper_server.domain.limit import THRESHOLDS
from tollkeeper_server.ledger.meter import Meter, MeterKind
from tollkeeper_server.ledger.reservation import Standing

from tests.simulation.process import SECOND
from tests.simulation.truth import FoundError, Place
from tests.unit.ledger.accounts import METERS, START

if TYPE_CHECKING:
    from tests.simulation.world import World


def compare(world: "World") -> list[tuple[Meter, Standing]]:
    """Hold what the table says to the truth."""
    seen: list[tuple[Meter, Standing]] = []
    member = world.processes[0].member
    # Of a meter that nobody has used in the epoch the table knows nothing before some of it is reserved.
    for meter in METERS:
        member.reserve(f"look {meter.key}", (meter,), (0,), world.now, lambda _: None)
    world.run_until(world.now + SECOND)
    for meter in METERS:
        member.give_back(f"look {meter.key}")

    def see(standings: list[Standing | None]) -> None:
        seen.extend((meter, it) for meter, it in zip(METERS, standings, strict=True) if it is not None)

    member.look(METERS, see)
    world.run_until(world.now + SECOND)
    if len(seen) != len(METERS):
        raise FoundError(f"only {len(seen)} meters were seen")
    for meter, standing in seen:
        if meter.kind is MeterKind.BUDGET:
            # A clock that was ahead has begun a period that goes on when the clock is put right.
            present = meter.calendar.at(world.now + world.ahead).id
            latest = max(it for key, it in [*world.truth.spent, (meter.key, present)] if key == meter.key)
            true = world.truth.spent[meter.key, latest]
            counted = standing.spent + standing.held
            if not true <= counted <= true + world.truth.unheard[meter.key]:
                unheard = world.truth.unheard[meter.key]
                raise FoundError(f"{meter.key}: {counted} counted, {true} true, {unheard} unheard of")
        elif meter.kind is MeterKind.SLOTS and world.now >= world.leaping_until > START and standing.held:
            raise FoundError(f"{meter.key}: {standing.held} slots are held by nobody")
    stored: Counter[Place] = Counter()
    for (_, place), amount in world.rows.items():
        stored[place] += amount
    for place in stored.keys() | world.truth.spent.keys():
        if stored[place] != world.truth.spent[place]:
            raise FoundError(f"{place}: {stored[place]} stored, {world.truth.spent[place]} true")
    return seen


def compare_crossings(world: "World") -> None:
    """Hold the thresholds that were told to the truth."""
    for meter in METERS:
        if meter.kind is MeterKind.BUDGET:
            spent = max((it for (key, _), it in world.truth.spent.items() if key == meter.key), default=0)
            for number, mark in enumerate(meter.marks, 1):
                told = sum(world.crossings[meter.key, at] for at in range(number, len(THRESHOLDS) + 1))
                if (spent >= mark) != bool(told) or world.crossings[meter.key, number] > 1:
                    raise FoundError(f"{meter.key}: {spent} spent, threshold {number} told {told} times")
