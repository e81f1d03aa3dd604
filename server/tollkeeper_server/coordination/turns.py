"""Turns at look-ups, by network: one that asks for very much waits for itself alone."""

import asyncio
from dataclasses import dataclass, field

PER_NETWORK = 16
"""How many look-ups a network may have under way. A store answers hundreds of them a second, so a few hundred
honest callers behind one address that come at once, each with a token of its own, wait some milliseconds."""


@dataclass(slots=True)
class _Network:
    free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PER_NETWORK))
    asking: int = 0
    """Those that have a turn, and those that wait for one."""


class Turns:
    """Gives each network so many turns at a time; those beyond wait, first come, first served."""

    def __init__(self) -> None:
        self._networks: dict[str, _Network] = {}

    def __len__(self) -> int:
        """Return how many networks have turns."""
        return len(self._networks)

    async def take(self, network: str) -> None:
        """Return when the network has a turn; `give` it back, once."""
        one = self._networks.get(network)
        if one is None:
            one = self._networks[network] = _Network()
        one.asking += 1
        try:
            await one.free.acquire()
        except BaseException:
            self._leave(network, one)
            raise

    def give(self, network: str) -> None:
        """Give a turn back: it is the next one's."""
        one = self._networks[network]
        one.free.release()
        self._leave(network, one)

    def _leave(self, network: str, one: _Network) -> None:
        one.asking -= 1
        if not one.asking:
            del self._networks[network]
