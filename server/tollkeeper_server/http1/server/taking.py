"""Whether a caller takes what it is sent: what neither the process nor the kernel has got rid of."""

import asyncio

from tollkeeper_server.http1.server.kernel import unsent_bytes


class Taking:
    """Compares what is unsent with what was when it was looked at before."""

    __slots__ = ("_before",)

    def __init__(self) -> None:
        self._before: int | None = None

    def look_anew(self) -> None:
        """Forget what was seen before: the next look compares with nothing."""
        self._before = None

    def has_stopped(self, transport: asyncio.Transport | None) -> bool:
        """Return whether the caller has taken nothing since the last look; False if this is the first."""
        before, now = self._before, unsent_bytes(transport)
        self._before = now
        return before is not None and now >= before
