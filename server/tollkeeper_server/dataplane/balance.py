"""Which of a model's deployments serves next."""

from itertools import count

from tollkeeper_server.snapshot.model import Leg, Pool


class Turns:
    """Deployments take turns, model by model."""

    def __init__(self) -> None:
        self._counts: dict[str, count[int]] = {}

    def next(self, pool: Pool) -> Leg:
        """Returns the deployment whose turn it is. The pool must have one."""
        legs = pool.legs
        if len(legs) == 1:
            return legs[0]
        return legs[next(self._counts.setdefault(pool.key, count())) % len(legs)]
