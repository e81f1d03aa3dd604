"""How many attempts to sign in may fail: of each network, and in all. In bounded memory."""

from collections import OrderedDict
from collections.abc import Callable
from math import ceil

from tollkeeper_server.domain.networks import network_of
from tollkeeper_server.errors import Reason, TollkeeperError

PER_NETWORK = 10
"""How many attempts of a network may fail at once."""
NETWORK_SECONDS = 6.0
"""After how many seconds one of them is forgiven."""
IN_ALL = 1000
"""How many attempts may fail at once in all."""
ALL_SECONDS = 0.05
"""After how many seconds one of them is forgiven."""
ROOM = 4096
"""How many networks are counted by themselves."""

# How many networks a new one looks at for one that is forgiven, and can be forgotten.
_LOOKED_AT = 4


class SignInAttempts:
    """Counts the attempts that failed. `clock` returns monotonic seconds.

    While `ROOM` networks have failed, further ones are counted together: no flood of addresses makes one be
    forgotten that has failed.
    """

    __slots__ = ("_all_until", "_clock", "_shared", "_until")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        # When all that failed will be forgiven: of each network, of the further ones, in all.
        self._until: OrderedDict[str, float] = OrderedDict()
        self._shared = 0.0
        self._all_until = 0.0

    def check(self, address: str) -> None:
        """Raise RATE_LIMIT_EXCEEDED if too many attempts have failed."""
        now = self._clock()
        own = self._until.get(network_of(address), self._shared)
        wait = max(
            own - now - (PER_NETWORK - 1) * NETWORK_SECONDS,
            self._all_until - now - (IN_ALL - 1) * ALL_SECONDS,
        )
        if wait > 0:
            raise TollkeeperError(
                Reason.RATE_LIMIT_EXCEEDED,
                "too many attempts to sign in have failed; wait, and try again",
                retry_after=ceil(wait),
            )

    def failed(self, address: str) -> None:
        """Count an attempt."""
        now, network = self._clock(), network_of(address)
        self._all_until = max(self._all_until, now) + ALL_SECONDS
        own = self._until.get(network)
        until = max(self._shared if own is None else own, now) + NETWORK_SECONDS
        if own is not None or self._has_room(now):
            self._until[network] = until
        else:
            self._shared = until

    def _has_room(self, now: float) -> bool:
        for _ in range(min(_LOOKED_AT, len(self._until))):
            network, until = self._until.popitem(last=False)
            if until > now:
                self._until[network] = until  # at the end: the next one looks at others
        return len(self._until) < ROOM
