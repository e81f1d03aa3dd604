"""What the callers of a process are held to together, whatever listener they came by."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tollkeeper_server.http1.pace import ReadPace
from tollkeeper_server.http1.server.connection_limit import ConnectionLimit
from tollkeeper_server.http1.server.held import HeldBytes
from tollkeeper_server.http1.server.round_robin import RoundRobin

_MANY = 10_000
_STRANGERS_AT_ONCE = 4
_LEAVERS_AT_ONCE = 4


def _limit() -> ConnectionLimit:
    return ConnectionLimit("the data plane", in_all=_MANY, per_address=_MANY)


@dataclass
class CallerBounds:
    """Counts the connections of the data plane's listeners, and what waits in memory for their callers."""

    connections: ConnectionLimit = field(default_factory=_limit)
    held: HeldBytes = field(default_factory=HeldBytes)
    strangers: RoundRobin = field(default_factory=lambda: RoundRobin(_STRANGERS_AT_ONCE))
    """The turns of callers who have shown no token."""
    leavers: RoundRobin = field(default_factory=lambda: RoundRobin(_LEAVERS_AT_ONCE))
    """The turns in which requests end whose callers have left."""
    reads: ReadPace = field(default_factory=ReadPace)
    """How much is read at once of all callers: what many send at the same moment is read by and by."""
    has_enough: Callable[[], bool] | None = None
    """Returns whether other processes that accept callers should go first; None without such."""
    stuck: int = 0
    """How many connections ended because their callers took nothing of their answers."""
    handshakes: int = 0
    """How many handshakes of TLS failed."""

    def count_handshake(self) -> None:
        """Count a handshake that failed."""
        self.handshakes += 1

    def refused(self) -> dict[str, int]:
        """Return how many connections were refused or given up, by reason."""
        return {
            **{str(bound): count for bound, count in self.connections.refused.items()},
            "stuck": self.stuck,
            "handshake": self.handshakes,
        }
