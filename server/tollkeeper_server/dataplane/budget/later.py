"""What a request is charged whose use is known only after it has ended: a response made in the background."""

from collections.abc import Sequence

from tollkeeper_server.domain.limit import Charge, Measure, measure_of_key, share_out
from tollkeeper_server.domain.usage import TokenCounts


def charged_later(held: Sequence[Charge], tokens: TokenCounts, cost: int | None) -> tuple[Charge, ...]:
    """Return what a request has used of the budgets that it held, `cost` in nano-dollars, None if unknown.

    Of each budget the parts are charged in their order, and the last one with what goes beyond all.
    """
    amounts: dict[str, list[int]] = {}
    for charge in held:
        amounts.setdefault(charge.key, []).append(charge.amount)
    shares = {key: iter(share_out(_used(key, held, tokens, cost), of_key)) for key, of_key in amounts.items()}
    return tuple(Charge(charge.key, charge.period, next(shares[charge.key])) for charge in held)


def _used(key: str, held: Sequence[Charge], tokens: TokenCounts, cost: int | None) -> int:
    measure = measure_of_key(key)
    if measure is Measure.TOKENS:
        return tokens.prompt + tokens.completion
    if measure is Measure.MONEY and cost is not None:
        return cost
    return sum(charge.amount for charge in held if charge.key == key)
