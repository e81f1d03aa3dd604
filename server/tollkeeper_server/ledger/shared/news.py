"""Whether a member knows of something that the table's epoch lacks, and that nobody would tell it if it died.

So it is with what is granted, used or taken over while the table does not answer. What is in the store, or in
the journal, is no help: the epoch has had the member's part from itself, and takes it from nobody else. Only
a new epoch does.
"""

from collections.abc import Callable, Sequence

from tollkeeper_server.ledger.reservation import Standing


class News:
    """What one member is still to tell."""

    def __init__(self, untold: Callable[[bool], object] | None) -> None:
        """`untold` is told whether there is any, each time that changes."""
        self._untold = untold
        self._is_there = False
        self._returns = 0

    def gather(self) -> None:
        """Note that there is something, before it counts for a caller."""
        if not self._is_there:
            self._is_there = True
            if self._untold is not None:
                self._untold(True)

    def telling(self) -> Callable[[Sequence[Standing | None]], None] | None:
        """Return what is to be called when the table knows all that there is by now; None if that is nothing.

        If it is lost meanwhile, what the next return calls counts.
        """
        if not self._is_there:
            return None
        self._returns += 1
        number = self._returns
        return lambda _: self._told(number)

    def _told(self, number: int) -> None:
        if number == self._returns:
            self._is_there = False
            if self._untold is not None:
                self._untold(False)
