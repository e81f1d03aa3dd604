"""How much of the processor each address may waste: beyond that, its connections wait."""

from collections.abc import Callable

from tollkeeper_server.domain.networks import network_of

SHARE = 0.15
"""The part of one processor that an address may waste in the long run."""
BURST_SECONDS = 0.15
"""What it may waste at once."""

_MOST_ADDRESSES = 4096


class Pace:
    """Counts what was done for the callers of each address and was of no use to them, in seconds."""

    __slots__ = ("_clock", "_owed")

    def __init__(self, clock: Callable[[], float]) -> None:
        """Take a clock in seconds."""
        self._clock = clock
        self._owed: dict[str, tuple[float, float]] = {}

    def waste(self, address: str | None, seconds: float) -> None:
        """Count so many seconds."""
        network = network_of(address)
        owed = self._now_owed(network) + seconds
        self._owed.pop(network, None)  # it goes behind the others
        self._owed[network] = owed, self._clock()
        if len(self._owed) > _MOST_ADDRESSES:  # an attack by thousands: who was quiet for longest is forgiven
            del self._owed[next(iter(self._owed))]

    def wait(self, address: str | None) -> float:
        """Return how many seconds the connections of an address are to wait before they go on."""
        if not self._owed:
            return 0.0
        return max(self._now_owed(network_of(address)) - BURST_SECONDS, 0.0) / SHARE

    def _now_owed(self, network: str) -> float:
        owed, at = self._owed.get(network, (0.0, 0.0))
        return max(owed - SHARE * (self._clock() - at), 0.0)
