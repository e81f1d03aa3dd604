"""How much memory the bodies of requests take, of one token and in all."""

import asyncio
import logging
import time
from collections.abc import Callable

from tollkeeper_server.errors import SHORTLY_SECONDS, Reason, TollkeeperError

_log = logging.getLogger("tollkeeper.dataplane")
_QUIET_SECONDS = 60.0
_DECODED_AT_ONCE = 2

COUNTED_BYTES = 16 * 1024
"""Smaller bodies are not counted."""


class BodyRoom:
    """Counts the bytes of bodies that are in memory, and refuses those for which there is no room.

    A token may have half of the room, or one body of the largest size if that is more. Nobody waits for room:
    what waits is held, too. `clock` returns monotonic seconds.
    """

    __slots__ = ("_clock", "_held", "_in_all", "_of_tokens", "_per_token", "_told_at", "decoding")

    def __init__(self, in_all: int, largest: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._in_all = max(in_all, largest)
        self._per_token = max(in_all // 2, largest)
        self._clock = clock
        self._held = 0
        self._of_tokens: dict[str, int] = {}
        self._told_at: float | None = None
        self.decoding = asyncio.Semaphore(_DECODED_AT_ONCE)
        """Is held while a large body is decoded: until it is, nobody knows how much it will be."""

    def has(self, token_id: str, size: int) -> bool:
        """Return whether there is room for so many bytes more of a token."""
        held = self._of_tokens.get(token_id, 0)
        return held + size <= self._per_token and self._held + size <= self._in_all

    def check(self, token_id: str, size: int) -> None:
        """Raise RATE_LIMIT_EXCEEDED or OVERLOADED if there is no room for so many bytes more."""
        if self._of_tokens.get(token_id, 0) + size > self._per_token:
            self._tell(f"the token {token_id} has {self._per_token:,} bytes of them")
            raise TollkeeperError(
                Reason.RATE_LIMIT_EXCEEDED,
                f"the bodies of this token's requests come to more than {self._per_token:,} bytes at once; "
                "send fewer at a time, or have TOLLKEEPER_MAX_BODIES_BYTES raised",
                retry_after=SHORTLY_SECONDS,
            )
        if self._held + size > self._in_all:
            self._tell(f"there are {self._in_all:,} bytes of them")
            raise TollkeeperError(
                Reason.OVERLOADED,
                f"the bodies of all requests come to more than {self._in_all:,} bytes at once; "
                "try again shortly, or have TOLLKEEPER_MAX_BODIES_BYTES raised",
                retry_after=SHORTLY_SECONDS,
            )

    def take(self, token_id: str, size: int) -> None:
        """Count so many bytes of a token. Raises as `check` does, and counts nothing then."""
        self.check(token_id, size)
        self._held += size
        self._of_tokens[token_id] = self._of_tokens.get(token_id, 0) + size

    def give(self, token_id: str, size: int) -> None:
        """Take back so many bytes of a token, which are not held any more."""
        self._held -= size
        left = self._of_tokens[token_id] - size
        if left:
            self._of_tokens[token_id] = left
        else:
            del self._of_tokens[token_id]

    def _tell(self, why: str) -> None:
        now = self._clock()
        if self._told_at is None or now - self._told_at >= _QUIET_SECONDS:
            self._told_at = now
            _log.warning("bodies are refused, as max_bodies_bytes has no room for more: %s", why)
