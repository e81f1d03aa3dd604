"""What the limits of an entity must keep to together; `domain.limit.Limit` says what each of them must."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from tollkeeper.messages import Problem
from tollkeeper.money import dollars
from tollkeeper.v1 import limit_pb2 as pb

from tollkeeper_server.domain.limit import UTC_ZONE, Limit, Measure, Scope, ScopeKind, key_of
from tollkeeper_server.domain.price import NANO_IN_DOLLAR

LEAST_MONEY = 1_000_000
"""The least amount of money, a tenth of a cent: less is an amount that was given in dollars or cents."""
_ANY = Scope(ScopeKind.GATEWAY)


def problems_of(limits: Sequence[Limit]) -> Iterator[Problem]:
    """Yield what is wrong with the limits of an entity, by the paths in it."""
    places: dict[str, int] = {}
    for index, limit in enumerate(limits):
        first = places.setdefault(key_of(_ANY, limit), index)
        if first != index:
            yield Problem(
                f"limits[{index}]",
                f"counts the same as limits[{first}]; leave one out, or change its measure, period or zone",
            )
        if limit.measure is Measure.MONEY and limit.amount < LEAST_MONEY:
            yield Problem(
                f"limits[{index}].amount",
                f"${dollars(limit.amount)} is less than a tenth of a cent, the least budget; give more"
                " dollars, or as amount, which is in nano-dollars, 25000000000 for 25 dollars",
            )


def read_dollars(limits: Iterable[pb.Limit]) -> Iterator[Problem]:
    """Put what limits say in dollars into their amounts, and yield what is wrong with it, by paths."""
    for index, limit in enumerate(limits):
        if not limit.HasField("dollars"):
            continue
        path, amount = f"limits[{index}].dollars", int(Decimal(limit.dollars) * NANO_IN_DOLLAR)
        if limit.measure != pb.LIMIT_MEASURE_MONEY:
            yield Problem(path, "are those of money; give the amount of another measure as amount")
        elif limit.amount not in (0, amount):
            yield Problem(path, f"are not the same as amount, {limit.amount:,} nano-dollars; leave one out")
        else:
            limit.amount = amount
        limit.ClearField("dollars")


def show_usual(limits: Iterable[pb.Limit], *, is_description: bool) -> None:
    """Say in dollars what limits are of money, and leave their zone unset where it is UTC.

    A description, which people write, says them in dollars alone.
    """
    for limit in limits:
        if limit.zone == UTC_ZONE:  # most have no use for one
            limit.ClearField("zone")
        if limit.measure == pb.LIMIT_MEASURE_MONEY:
            limit.dollars = dollars(limit.amount)
            if is_description:
                limit.ClearField("amount")
