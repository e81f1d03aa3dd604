"""Upstreams that refuse `stream_options`, by which the gateway asks for the usage of streams."""

import time

_SECONDS = 600


class Refusals:
    """Remembers for ten minutes which upstreams have refused, and need not be asked in vain."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def note(self, upstream: str) -> None:
        """Record that an upstream has refused."""
        self._until[upstream] = time.monotonic() + _SECONDS

    def holds(self, upstream: str) -> bool:
        """Return whether an upstream has refused not long ago."""
        until = self._until.get(upstream) if self._until else None
        return until is not None and time.monotonic() < until


def names_stream_options(error: bytes) -> bool:
    """Return whether an upstream's error is about the member that the gateway added."""
    return b"stream_options" in error or b"include_usage" in error
