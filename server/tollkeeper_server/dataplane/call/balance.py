"""The choice of the member of a pool that serves next."""

from collections.abc import Collection, Iterable
from hashlib import blake2b
from math import ceil, log
from random import Random

from tollkeeper_server.dataplane.call.breaker import BreakerState
from tollkeeper_server.dataplane.call.health import Health
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.domain.traffic import Strategy
from tollkeeper_server.errors import ADMINISTRATOR_SECONDS, Reason, TollkeeperError
from tollkeeper_server.snapshot.model import Pool, PoolMember, Snapshot

# The parts of a turn: so many that rounding does not add up to a turn.
_UNIT = 1 << 32
_HASH_BITS = 52  # so many and a half fit into a float
EXPLORED_SHARE = 0.03
"""The share of calls by which RESPONSE_AWARE finds out how members do that are not the fittest."""


class _Turns:
    """The share of a turn that each place of a pool is owed, in parts of which `total` make one turn.

    `start` is where scans begin.
    """

    __slots__ = ("owed", "start", "total")

    def __init__(self) -> None:
        self.owed: dict[str, int] = {}
        self.total = _UNIT
        self.start = 0

    def copy(self) -> "_Turns":
        """Return a copy."""
        made = _Turns()
        made.owed, made.total, made.start = self.owed.copy(), self.total, self.start
        return made

    def keep(self, places: Collection[str]) -> None:
        """Forget all other places."""
        self.owed = {place: parts for place, parts in self.owed.items() if place in places}

    def next(self, places: list[tuple[str, int]]) -> int:
        """Give the turn to the place that is owed most, and return its index. Places are names and weights.

        This is nginx's smooth weighted round robin: each place gets its weight's share of a turn, and the one
        that takes the turn pays for it. Shares do not depend on the other places: those that come and go do
        not distort the turns of the rest.
        """
        total = sum(weight for _, weight in places) * _UNIT
        if total != self.total:
            self.owed = {place: parts * total // self.total for place, parts in self.owed.items()}
            self.total = total
        owed = self.owed
        best, most = 0, -1 << 128
        for index, (place, weight) in enumerate(places):
            parts = owed[place] = owed.get(place, 0) + weight * _UNIT
            if parts > most:
                best, most = index, parts
        owed[places[best][0]] -= total
        return best


class Balancer:
    """Chooses among the members of pools. A member is known by its index in its pool.

    Turns are kept by the pool's key and the member's place in it, so they survive new snapshots.
    """

    def __init__(self, health: Health, random: Random) -> None:
        self._health = health
        self._random = random
        self._turns: dict[str, _Turns] = {}

    def choose(
        self, pool: Pool, tried: Collection[int] = (), session: bytes = b""
    ) -> tuple[int, PoolMember] | None:
        """Return a member and its index, or None if no member may be called now.

        `tried` are indices to leave out. A `session`, if not empty, gets the same member each time while that
        may be called, and else the same other one. Members that rest are chosen only if there are no others.
        The call must be begun (`Health.begin`) before the next is chosen.
        """
        members = pool.members
        if len(members) == 1:
            member = members[0]
            if 0 in tried or not self._health.of(member.target).breaker.available(self._health.clock()):
                return None
            return 0, member
        turns = self._turns.get(pool.key)
        if turns is None:
            turns = self._turns[pool.key] = _Turns()
        return self._pick(pool, tried, session, turns, self._random)

    def peek(
        self, pool: Pool, session: bytes = b"", tried: Collection[int] = ()
    ) -> tuple[int, PoolMember] | None:
        """Return what `choose` would, and change nothing."""
        turns = self._turns.get(pool.key) or _Turns()
        random = Random()  # noqa: S311 - spreads load, keeps no secret
        random.setstate(self._random.getstate())
        return self._pick(pool, tried, session, turns.copy(), random)

    def refusal(self, pool: Pool, *, has_model: bool, lacks_price: bool = False) -> TollkeeperError:
        """Return the error for a pool that has no members, or none that may be called now.

        `has_model` says that the request names a known model, for which the pool was found; `lacks_price`
        that the pool is without members that have no price.
        """
        subject = f"the group {pool.group!r}" if pool.group else f"the model {pool.name!r}"
        if not pool.members and lacks_price:
            return TollkeeperError(
                Reason.PRICE_UNKNOWN,
                f"no upstream of {subject} has a price, and a budget of money holds for the request; have an "
                "administrator set the model's price, or the limit's allow_unpriced",
                field="model" if has_model else None,
            )
        if not pool.members:
            return TollkeeperError(
                Reason.NO_UPSTREAM,
                f"{subject} has no active deployment; have an administrator add or activate one",
                field="model" if has_model else None,
                retry_after=ADMINISTRATOR_SECONDS,
            )
        return TollkeeperError(
            Reason.NO_UPSTREAM,
            f"every upstream of {subject} failed too often and is left alone for the moment; try again later",
            retry_after=self._retry_after(pool),
        )

    def follow(self, snapshot: Snapshot) -> None:
        """Forget the turns of pools and places that are not in this configuration."""
        places: dict[str, set[str]] = {}
        for pool in _pools(snapshot):
            places.setdefault(pool.key, set()).update(pool.places)
        self._turns = {key: turns for key, turns in self._turns.items() if key in places}
        for key, turns in self._turns.items():
            turns.keep(places[key])

    def _retry_after(self, pool: Pool) -> int:
        """Return the whole seconds until a member of the pool may be called, at least 1."""
        now = self._health.clock()
        times = (self._health.of(member.target).breaker.retry_at(now) for member in pool.members)
        return max(ceil(min(times, default=now) - now), 1)

    def _pick(
        self, pool: Pool, tried: Collection[int], session: bytes, turns: _Turns, random: Random
    ) -> tuple[int, PoolMember] | None:
        members = pool.members
        candidates = self._candidates(members, tried)
        if not candidates:
            return None
        if len(candidates) == 1:
            index = candidates[0]
        elif session:
            index = _pinned(pool, candidates, session)
        else:
            match pool.strategy:
                case Strategy.ROUND_ROBIN:
                    index = candidates[turns.next([(pool.places[index], 1) for index in candidates])]
                case Strategy.WEIGHTED_ROUND_ROBIN:
                    places = [(pool.places[index], members[index].weight) for index in candidates]
                    index = candidates[turns.next(places)]
                case Strategy.RANDOM:
                    (index,) = random.choices(candidates, [members[index].weight for index in candidates])
                case Strategy.RESPONSE_AWARE:
                    turns.start += 1
                    index = self._fittest(members, candidates, turns.start)
                    if not tried and random.random() < EXPLORED_SHARE:
                        index = random.choice([other for other in candidates if other != index])
                case Strategy.FAILOVER:
                    index = candidates[0]
        return index, members[index]

    def _candidates(self, members: tuple[PoolMember, ...], tried: Collection[int]) -> list[int]:
        now, of = self._health.clock(), self._health.of
        ready: list[int] = []
        resting: list[int] = []
        for index, member in enumerate(members):
            if index in tried:
                continue
            upstream = of(member.target)
            if upstream.breaker.available(now):
                (resting if upstream.rest_until > now else ready).append(index)
        return ready or resting

    def _fittest(self, members: tuple[PoolMember, ...], candidates: list[int], start: int) -> int:
        now, of = self._health.clock(), self._health.of
        start %= len(candidates)
        best, least = candidates[start], float("inf")
        for index in candidates[start:] + candidates[:start]:
            upstream = of(members[index].target)
            # This is its only call after an outage: an old score would put it off.
            if upstream.breaker.state(now) is BreakerState.HALF_OPEN:
                return index
            score = upstream.score(now)
            if score < least:
                best, least = index, score
        return best


def session_of(exchange: Exchange, pool: Pool) -> bytes:
    """Return the session that a request belongs to, empty if its pool pins none."""
    return exchange.headers.get(pool.session_header, b"") if pool.session_header else b""


def _pinned(pool: Pool, candidates: list[int], session: bytes) -> int:
    # Weighted rendezvous hashing: a member's rank for the session does not depend on the other members.
    hashed = blake2b(session, digest_size=8)
    best, highest = candidates[0], -1.0
    for index in candidates:
        own = hashed.copy()
        own.update(b"\0" + pool.places[index].encode())
        number = int.from_bytes(own.digest()) >> (64 - _HASH_BITS)
        rank = -pool.members[index].weight / log((number + 0.5) / (1 << _HASH_BITS))
        if rank > highest:
            best, highest = index, rank
    return best


def _pools(snapshot: Snapshot) -> Iterable[Pool]:
    yield from snapshot.groups.values()
    for route in (*snapshot.routes.values(), *snapshot.patterns):
        yield route.pool
