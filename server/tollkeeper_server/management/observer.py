"""What the management plane asks a process of itself."""

from collections.abc import Collection, Sequence
from typing import Protocol

from tollkeeper_server.domain.status import (
    Attention,
    ListenerStatus,
    ProcessStatus,
    Setting,
    UpstreamStatus,
)


class Observer(Protocol):
    """What a process knows of itself."""

    async def process(self) -> ProcessStatus:
        """Return how this process is; parts with a problem stand first."""

    def upstream_names(self) -> Collection[str]:
        """Return the names of the active upstreams."""

    def upstream(self, name: str) -> UpstreamStatus | None:
        """Return how an active upstream is, None if there is none of that name."""

    def upstreams(self, *, after: str, limit: int) -> Sequence[UpstreamStatus]:
        """Return up to `limit` active upstreams with names greater than `after`, by name."""

    def listeners(self) -> Sequence[ListenerStatus]:
        """Return every port of this process, those that are not open first."""

    def settings(self) -> Sequence[Setting]:
        """Return every setting, by name, secrets masked."""

    async def attention(self, process: ProcessStatus, limit: int) -> Sequence[Attention]:
        """Return up to `limit` things that need attention in a process that is so, the most severe first."""
