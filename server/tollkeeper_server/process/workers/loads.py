"""How many callers each worker has, in memory that all share, so that new ones go to who has few.

All accept on the same sockets, and the first to wake would get a crowd as a whole.
"""

from mmap import mmap

from tollkeeper_server.http1.server.connection_limit import ConnectionLimit

_ABSENT = 2**63
# Who has so many more than another, or an eighth more, leaves new callers to others for a moment.
_MORE = 2
_SHARE = 8
_BYTES = 8


class Loads:
    """The numbers of all workers; one that does not serve is absent. Make it before they are forked."""

    def __init__(self, workers: int) -> None:
        self._memory = memoryview(mmap(-1, workers * _BYTES)).cast("Q")
        for number in range(workers):
            self._memory[number] = _ABSENT

    def tell(self, worker: int, count: int) -> None:
        """Record how many callers a worker has. Workers are numbered from 1."""
        self._memory[worker - 1] = count

    def leave(self, worker: int) -> None:
        """Record that a worker accepts nobody."""
        self._memory[worker - 1] = _ABSENT

    def is_ahead(self, worker: int) -> bool:
        """Return whether a worker has clearly more callers than another."""
        own = self._memory[worker - 1]
        return own < _ABSENT and own > min(self._memory) + max(_MORE, own // _SHARE)


class ToldLimit(ConnectionLimit):
    """A limit of connections, whose number other workers know."""

    __slots__ = ("_loads", "_worker")

    def __init__(self, name: str, loads: Loads, worker: int, *, in_all: int, per_address: int) -> None:
        super().__init__(name, in_all=in_all, per_address=per_address)
        self._loads = loads
        self._worker = worker

    def admit(self, address: str | None) -> bool:
        """As for any limit."""
        is_admitted = super().admit(address)
        self._loads.tell(self._worker, self.count)
        return is_admitted

    def left(self, address: str | None) -> None:
        """As for any limit."""
        super().left(address)
        self._loads.tell(self._worker, self.count)
