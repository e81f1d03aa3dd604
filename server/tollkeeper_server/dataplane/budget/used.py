"""What a request has used of the meters that it holds something of."""

from collections.abc import Sequence

from msgspec import UNSET

from tollkeeper_server.dataplane.budget.holding import Held
from tollkeeper_server.dataplane.budget.meter_set import COUNTED
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.domain.limit import ScopeKind
from tollkeeper_server.domain.usage import Confidence
from tollkeeper_server.ledger.orphan import INTERRUPTED

STATUS_CLIENT_GONE = 499


def used_of(exchange: Exchange, held: Held) -> Sequence[int]:
    """Return what a request that has ended has used of the meters of a reservation.

    A model that did not serve it, as another did in its place, has used no tokens.
    """
    meters, pending = held.meters, held.pending
    all_held = pending.held if pending.more else pending.needs
    if meters.counted is meters:
        return all_held
    tokens = exchange.tokens
    if exchange.cost is UNSET:
        exchange.cost = exchange.find_cost()
    cost = exchange.cost
    if _is_unknown(exchange):
        used = list(all_held)
    else:
        count = tokens.prompt + tokens.completion
        amounts = (None, count, count, cost)
        used = []
        for kind, amount in zip(meters.needs, all_held, strict=True):
            known = amounts[kind]
            used.append(amount if known is None else known)
        if cost is None:
            for at, meter in enumerate(meters.meters):
                if meter.limit.allow_unpriced:
                    used[at] = 0
    if held.route_name != exchange.route_name:
        for at, kind in enumerate(meters.needs):
            if kind != COUNTED and meters.meters[at].scope.kind is ScopeKind.MODEL:
                used[at] = 0
    return used


def _is_unknown(exchange: Exchange) -> bool:
    """Return whether nobody knows what a request has used that was sent."""
    tokens = exchange.tokens
    if tokens.confidence is Confidence.PENDING:
        return True
    if tokens.confidence is not Confidence.NONE or tokens.images or tokens.audio_milliseconds:
        return False
    if (tokens.characters or tokens.pages) and exchange.cost is not None:
        return False  # it is billed by these, not by tokens that nobody has counted
    if exchange.status < 400:
        return True
    if exchange.status != STATUS_CLIENT_GONE and exchange.error_code != INTERRUPTED:
        return False
    # Nobody waited for the end of the answer. An error costs nothing.
    return not exchange.attempts or exchange.attempts[-1].status < 400
