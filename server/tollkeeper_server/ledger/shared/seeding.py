"""Which budgets the table knows nothing of, and whose spending is asked for before they are reserved."""

from collections.abc import Callable, Sequence

from tollkeeper_server.ledger.shared.queue import Reserve

Ask = Callable[[str, int, Sequence[str]], None]
"""Finds out what has been spent in a period by all but some members."""


class Seeding:
    """What waits for an answer, by key and period. `names` are the members of the epoch, as last heard.

    What they have spent is in the table. The store is asked what all others have; and is asked again if one
    has joined meanwhile, as it may have stored what the table has from another. While `wanted`, the names are
    to be heard again before it is asked.
    """

    def __init__(self, ask: Ask) -> None:
        self.names: Sequence[str] = ()
        self.wanted = False
        self._ask = ask
        self._waiting: dict[tuple[str, int], list[Reserve]] = {}
        self._asked: dict[tuple[str, int], Sequence[str]] = {}

    @property
    def is_idle(self) -> bool:
        """Whether nothing is asked for."""
        return not self._waiting

    def wait(self, entry: Reserve, key: str, period: int) -> None:
        """Have a reservation wait for what others have spent."""
        self._waiting.setdefault((key, period), []).append(entry)
        self.wanted = self.wanted or (key, period) not in self._asked

    def ask_all(self) -> None:
        """Ask for all that is waited for, once each, as the names have just been heard."""
        self.wanted = False
        for key, period in [it for it in self._waiting if it not in self._asked]:
            self._asked[key, period] = self.names
            self._ask(key, period, self.names)

    def pop(self, key: str, period: int, members: Sequence[str]) -> list[Reserve]:
        """Return what waits for an answer; nothing if these are not the members for which it was asked."""
        if self._asked.get((key, period)) is not members:
            return []
        del self._asked[key, period]
        return self._waiting.pop((key, period))

    def pop_all(self) -> list[Reserve]:
        """Return all that waits, and waits no more."""
        entries = [it for waiting in self._waiting.values() for it in waiting]
        self._waiting.clear()
        self._asked.clear()
        self.wanted = False
        return entries
