"""Bounds on the size and the slowness of a request."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a request's body, in bytes and seconds."""

    max_body: int = 64 * 1024 * 1024
    """The largest body that is read, as it comes and decoded."""
    max_upload: int = 1024 * 1024 * 1024
    """The largest body that streams through."""
    stall_seconds: float = 60.0
    """The longest silence within a body."""
    bytes_per_second: int = 1024
    """How fast a body comes at least, beyond the time of one silence: a larger one may take longer."""
    # Enough to let a client finish a body of usual size and read the answer. A client that has more to send,
    # or is slower, finds the connection closed.
    discard_bytes: int = 64 * 1024 * 1024
    """How much is read and dropped of a body that was not read when the answer ends."""
    discard_seconds: float = 10.0
    """How long that may take."""
