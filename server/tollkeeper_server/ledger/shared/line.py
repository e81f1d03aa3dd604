"""The way from a member to the table."""

from collections.abc import Sequence
from typing import Protocol

from tollkeeper_server.ledger.shared.messages import Message


class Line(Protocol):
    """The way to the table, as a member uses it."""

    def send(self, request: Message) -> None:
        """Send a request; the member hears the reply by `received`."""

    def drop(self) -> None:
        """Give the connection up; the member hears by `disconnected`, and of the next one by `connected`."""

    def wake(self) -> None:
        """Call `flush` at the end of the event loop's turn."""

    def ask(self, key: str, period: int, members: Sequence[str]) -> None:
        """Find out what all but these members have spent in a period; `seed` takes them with the answer."""
