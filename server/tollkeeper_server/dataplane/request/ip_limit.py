"""The limit of requests from an IP address: a token bucket for each, in bounded memory."""

import socket
from collections import OrderedDict
from collections.abc import Callable, Mapping
from math import ceil

from tollkeeper_server.domain.listener import IpLimit
from tollkeeper_server.errors import Reason, TollkeeperError

ROOM = 65_536
"""The most addresses that have buckets of their own: some 15 MB."""

# Tokens are counted in millionths: whole numbers, so that no rounding adds up.
_TOKEN = 1_000_000
# How many buckets a new address looks at for one that is full again, and can be forgotten.
_LOOKED_AT = 4
_MAPPED = b"\0" * 10 + b"\xff\xff"


class IpLimiter:
    """The limit of one listener. `clock` returns monotonic seconds.

    A bucket that is full again is as good as none, and is forgotten. While none of `room` buckets is full,
    further addresses share one bucket; an address that gets its own later begins with the level of the shared
    one. So no flood of addresses makes the limiter forget one that is limited; the price is that strangers
    may wait for each other. Such a flood takes `per_second` x `room` requests a second.
    """

    __slots__ = ("_buckets", "_clock", "_limit", "_room", "_shared", "_since", "_tokens")

    def __init__(self, clock: Callable[[], float], room: int = ROOM) -> None:
        self._clock = clock
        self._room = room
        self._limit = IpLimit()
        # Time goes by in tokens, as fast as they are refilled: a changed limit counts from then on.
        self._since = clock()
        self._tokens = 0
        # When a bucket will be full, by address.
        self._buckets: OrderedDict[str | bytes, int] = OrderedDict()
        self._shared = 0

    def admit(self, limit: IpLimit, ip: str) -> float:
        """Take a token for a request from an address and return 0.0.

        Without a token, take nothing and return the seconds until there is one. IPv6 addresses count by their
        first 64 bits, which a household or a machine gets as a whole.
        """
        seconds = self._clock()
        now = self._tokens + int((seconds - self._since) * self._limit.per_second * _TOKEN)
        if limit is not self._limit:
            self._change(limit, seconds, now)
        key = _key(ip) if ":" in ip else ip
        own = self._buckets.get(key)
        burst = limit.burst * _TOKEN
        missing = max((self._shared if own is None else own) - now, 0)
        if missing + _TOKEN > burst:
            return (missing + _TOKEN - burst + 1) / (limit.per_second * _TOKEN)
        full = now + missing + _TOKEN
        if own is not None or self._has_room(now):
            self._buckets[key] = full
        else:
            self._shared = full
        return 0.0

    def take(self, ip: str, count: int) -> None:
        """Take tokens for requests that another process has admitted, also some that are not there."""
        now = self._tokens + int((self._clock() - self._since) * self._limit.per_second * _TOKEN)
        key = _key(ip) if ":" in ip else ip
        own = self._buckets.get(key)
        full = max((self._shared if own is None else own) - now, 0) + now + count * _TOKEN
        if own is not None or self._has_room(now):
            self._buckets[key] = full
        else:
            self._shared = full

    def _change(self, limit: IpLimit, seconds: float, now: int) -> None:
        if limit.burst < self._limit.burst:
            # No more can be missing from a bucket than it holds.
            most = now + limit.burst * _TOKEN
            self._shared = min(self._shared, most)
            self._buckets = OrderedDict((key, min(full, most)) for key, full in self._buckets.items())
        self._limit, self._since, self._tokens = limit, seconds, now

    def _has_room(self, now: int) -> bool:
        buckets = self._buckets
        for _ in range(min(_LOOKED_AT, len(buckets))):
            key, full = buckets.popitem(last=False)
            if full > now:
                buckets[key] = full  # at the end: the next one looks at others
        return len(buckets) < self._room


class IpLimits:
    """The limiters of all listeners. `refused` is called with a listener's name at each refusal."""

    __slots__ = ("_clock", "_limiters", "_refused", "admitted")

    def __init__(self, clock: Callable[[], float], refused: Callable[[str], None]) -> None:
        self._clock = clock
        self._refused = refused
        self._limiters: dict[str, IpLimiter] = {}
        self.admitted: Callable[[str, str], None] | None = None
        """Is called with a listener's name and an address for each request that was admitted."""

    def take(self, listener: str, counts: Mapping[str, int]) -> None:
        """Count what another process has admitted, by address."""
        limiter = self._limiters.get(listener)
        if limiter is None:
            limiter = self._limiters[listener] = IpLimiter(self._clock)
        for ip, count in counts.items():
            limiter.take(ip, count)

    def check(self, listener: str, limit: IpLimit, ip: str) -> None:
        """Count a request from an address. Raises RATE_LIMIT_EXCEEDED."""
        limiter = self._limiters.get(listener)
        if limiter is None:
            limiter = self._limiters[listener] = IpLimiter(self._clock)
        seconds = limiter.admit(limit, ip)
        if seconds > 0:
            self._refused(listener)
            raise TollkeeperError(
                Reason.RATE_LIMIT_EXCEEDED,
                f"this address makes more than {limit.per_second:,} requests a second; slow down",
                retry_after=ceil(seconds),
            )
        if self.admitted is not None:
            self.admitted(listener, ip)


def _key(ip: str) -> str | bytes:
    try:
        packed = socket.inet_pton(socket.AF_INET6, ip.partition("%")[0])
    except OSError:
        return ip
    # A socket for both families shows IPv4 so.
    return socket.inet_ntoa(packed[12:]) if packed[:12] == _MAPPED else packed[:8]
