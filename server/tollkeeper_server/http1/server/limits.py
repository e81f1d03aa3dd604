"""Time limits of callers."""

from dataclasses import dataclass

from tollkeeper_server.domain.listener import HEAD_TIMEOUT_SECONDS


@dataclass(frozen=True)
class TimeLimits:
    """Times in seconds that the connections of a listener keep to.

    `head` is for a request's head, from its first byte; for the first head, from connecting. `keep_alive` is
    how long a connection may go without a request, `quiet` is the same once its listener stops. `linger` is
    how long a caller that still sends is listened to after the last answer: closing at once would reset the
    connection, and the answer would be lost (RFC 9112, 9.6). A caller that takes nothing of its answers for
    `unread` is given up. One that takes a little now and then is not.
    """

    head: float = HEAD_TIMEOUT_SECONDS
    keep_alive: float = 75.0
    quiet: float = 5.0
    linger: float = 5.0
    unread: float = 300.0
