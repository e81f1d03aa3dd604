"""Meters: what the limits of the configuration are to the ledger. They are made once, with the snapshot."""

from collections.abc import Iterable

from tollkeeper_server.domain.limit import Limit, Scope, ScopeKind
from tollkeeper_server.domain.token import Token
from tollkeeper_server.ledger.meter import Meter, meter_of
from tollkeeper_server.snapshot.model import ListenerView, Meters, ProjectView, Route, Snapshot

NO_METERS: Meters = ()
_REMEMBERED = 10_000


def meters_of(scope: Scope, limits: Iterable[Limit]) -> Meters:
    """Return the meters of a scope. Of limits that count the same, the least counts."""
    found: dict[str, Meter] = {}
    for limit in limits:
        meter = meter_of(scope, limit)
        known = found.get(meter.key)
        if known is None or meter.amount < known.amount:
            found[meter.key] = meter
    return tuple(found.values())


class TokenMeters:
    """The meters of tokens, made when a token is first seen with its limits. Those seen last are kept."""

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._remembered = remembered
        self._made: dict[str, tuple[tuple[Limit, ...], Meters]] = {}

    def of(self, token: Token) -> Meters:
        """Return the meters of a token."""
        limits = token.limits
        if not limits:
            return NO_METERS
        known = self._made.get(token.id)
        if known is not None:
            if known[0] is limits:
                return known[1]
            del self._made[token.id]
        meters = (
            known[1]
            if known is not None and known[0] == limits
            else meters_of(Scope(ScopeKind.TOKEN, token.id), limits)
        )
        if len(self._made) >= self._remembered:
            del self._made[next(iter(self._made))]
        self._made[token.id] = (limits, meters)
        return meters


def meters_for(
    snapshot: Snapshot, view: ListenerView | None, project: ProjectView, route: Route | None, of_token: Meters
) -> Meters:
    """Return all meters of a request: of the gateway, the listener, the project, the model and the token."""
    meters = snapshot.meters + project.meters + of_token
    if view is not None:
        meters += view.meters
    return meters if route is None else meters + route.meters
