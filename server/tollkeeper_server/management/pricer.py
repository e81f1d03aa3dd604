"""What the management plane asks a process of the prices that it bills by."""

from collections.abc import Sequence
from typing import Protocol

from tollkeeper_server.domain.price import ModelPrice
from tollkeeper_server.domain.usage import UsageEvent


class Pricer(Protocol):
    """The prices by which a process bills at present."""

    def models(self, *, after: str, limit: int) -> Sequence[str]:
        """Return up to `limit` names of models in traffic, greater than `after`, in order."""

    def prices(self, model: str) -> Sequence[ModelPrice]:
        """Return what the model that serves a name costs at each of its upstreams; none if there is none."""

    def cost(self, event: UsageEvent) -> int | None:
        """Return what a past request costs by the present prices, in nano-dollars; None if not known."""
