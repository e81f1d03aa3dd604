"""How many connections one address may have open, and all of them together."""

import logging
import time
from collections.abc import Callable
from enum import StrEnum

from tollkeeper_server.domain.networks import network_of
from tollkeeper_server.telemetry.once_a_minute import OnceAMinute

_log = logging.getLogger("tollkeeper.http")


class Bound(StrEnum):
    """What a connection that is refused would exceed."""

    ADDRESS = "address"
    ALL = "all"


class ConnectionLimit:
    """Counts open connections, by address and in all, and refuses those beyond either limit.

    Addresses of IPv6 count by their /64. A peer without an address, as of a UNIX socket, counts like one
    address. Neither loopback nor a proxy is exempt.
    """

    __slots__ = ("_in_all", "_name", "_open", "_per_address", "_telling", "count", "refused")

    def __init__(
        self, name: str | None, *, in_all: int, per_address: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the log's name for what is limited, None if nothing is logged, and a clock in seconds."""
        self._name = name
        self._in_all = in_all
        self._per_address = per_address
        self._open: dict[str, int] = {}
        self._telling = OnceAMinute(clock)
        self.count = 0
        """How many connections are open."""
        self.refused = dict.fromkeys(Bound, 0)
        """How many connections were refused, by what they would have exceeded."""

    def admit(self, address: str | None) -> bool:
        """Count a connection of an address and return True, or return False if it must be refused.

        Each one admitted is to be taken back by `left`, once.
        """
        network = network_of(address)
        there = self._open.get(network, 0)
        if self.count >= self._in_all:
            self._refuse(Bound.ALL, network)
            return False
        if there >= self._per_address:
            self._refuse(Bound.ADDRESS, network)
            return False
        self._open[network] = there + 1
        self.count += 1
        return True

    def left(self, address: str | None) -> None:
        """Take back a connection that was admitted."""
        network = network_of(address)
        there = self._open[network]
        if there == 1:
            del self._open[network]
        else:
            self._open[network] = there - 1
        self.count -= 1

    def _refuse(self, bound: Bound, network: str) -> None:
        self.refused[bound] += 1
        if self._name is None or not self._telling.is_due():
            return
        if bound is Bound.ALL:
            why = f"all {self._in_all} are open that there may be (see max_connections)"
        else:
            why = f"{network} has all {self._per_address} open that one address may have"
            why += " (see max_connections_per_address)"
        _log.warning("connections to %s are refused: %s", self._name, why)
