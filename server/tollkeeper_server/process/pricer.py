"""The prices of the snapshot, as the management plane asks for them."""

from collections.abc import Callable, Sequence
from datetime import datetime

from tollkeeper_server.domain.price import ModelPrice
from tollkeeper_server.domain.usage import UsageEvent
from tollkeeper_server.snapshot.model import Snapshot
from tollkeeper_server.snapshot.prices import cost_of_event, model_price


class SnapshotPricer:
    """Implements `management.pricer.Pricer` on the present snapshot."""

    def __init__(self, current: Callable[[], Snapshot], clock: Callable[[], datetime]) -> None:
        self._current = current
        self._clock = clock

    def models(self, *, after: str, limit: int) -> Sequence[str]:
        """As the port says."""
        snapshot = self._current()
        names = {it.name for it in (*snapshot.routes.values(), *snapshot.patterns)}
        return sorted(name for name in names if name > after)[:limit]

    def prices(self, model: str) -> Sequence[ModelPrice]:
        """As the port says."""
        snapshot = self._current()
        route = snapshot.resolve(model) or next((it for it in snapshot.patterns if it.name == model), None)
        if route is None:
            return ()
        # A name that a pattern serves is the caller's choice, and may have a price.
        asked = model if route.is_pattern and model != route.name else ""
        return [
            model_price(route, it.target, it.upstream_model or asked, self._clock())
            for it in route.pool.members
        ]

    def cost(self, event: UsageEvent) -> int | None:
        """As the port says."""
        return cost_of_event(self._current(), event)
