"""What calls with `validate_only` work with in the place of what they would change and make."""

from tollkeeper_server.coordination.ports import Change, Changes, Subscriber
from tollkeeper_server.management.editors import Mint

NOTHING_MINTED = Mint(new_id=lambda _: "", new_secret=lambda: "")
"""Makes empty ids and secrets: real ones would be of nothing."""


class UntoldChanges:
    """Changes of which nobody is told. Implements `coordination.ports.Changes` on those that are."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    async def publish(self, change: Change) -> None:
        """Do nothing: the change was not made."""

    def subscribe(self, subscriber: Subscriber) -> None:
        """As the port says."""
        self._changes.subscribe(subscriber)
