"""The tokens this process knows, by digest: the hot path asks them instead of a store."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from tollkeeper_server.coordination.deadline import LOOK_UP_SECONDS
from tollkeeper_server.coordination.flights import Flights
from tollkeeper_server.coordination.ports import Change, SharedTokens, Unknown
from tollkeeper_server.coordination.turns import Turns
from tollkeeper_server.domain.networks import network_of
from tollkeeper_server.domain.token import Token
from tollkeeper_server.errors import SHORTLY_SECONDS, Reason, StoreUnavailableError, TollkeeperError
from tollkeeper_server.store.ports import TokenStore

MAX_UNKNOWN = 10_000
_RETRY_REFRESH = 1.0
_FIRST_PAUSE = 0.005
_LONGEST_PAUSE = 0.05


@dataclass(slots=True)
class _Known:
    token: Token
    refresh_at: float
    expires_at: float


@dataclass(slots=True)
class _Absent:
    unknown: Unknown
    expires_at: float


class TokenCache:
    """Finds tokens in this process's memory, then in the shared cache, then in the store.

    A known token is served from memory for `lifetime` seconds after it was found, even while the store and
    Redis are away. From half of that on, a use asks for it again in the background: a token in steady use
    is good for `lifetime / 2` or more when the store and the shared cache go away. The shared cache keeps a
    token for `lifetime / 2`, so without any push or poll an edit takes effect after 1.5 `lifetime` at most.

    Unknown digests are remembered for `unknown_lifetime` seconds, apart from the known tokens: however
    many are tried, they displace each other only. Beyond `capacity` known tokens, the one that was
    found or confirmed longest ago is forgotten.

    Each network has a bound of look-ups under way (`turns.py`), so that one that tries tokens at random keeps
    no other waiting. Known tokens need no turn.

    A failure is never remembered. The revision of a token never goes back while the token is remembered.
    `clock` counts seconds; `patience` is how long to wait for another process that asks the store, and
    `seconds` how long for all that a look-up waits for, its turn included.
    """

    def __init__(
        self,
        store: TokenStore,
        shared: SharedTokens | None,
        *,
        lifetime: float,
        unknown_lifetime: float,
        capacity: int,
        clock: Callable[[], float] = time.monotonic,
        patience: float = 1.0,
        seconds: float = LOOK_UP_SECONDS,
    ) -> None:
        self._store = store
        self._shared = shared
        self._lifetime = lifetime
        self._unknown_lifetime = unknown_lifetime
        self._capacity = capacity
        self._clock = clock
        self._patience = patience
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._absent: OrderedDict[str, _Absent] = OrderedDict()
        self._digests: dict[str, str] = {}  # of the known tokens, by token id
        self._seconds = seconds
        self._turns = Turns()
        self._flights = Flights("token", self._look_up, self.peek, seconds=seconds)

    def peek(self, digest: str) -> Token | Unknown | None:
        """Return what memory knows of a digest; None if only `find` can tell. Needs a running event loop."""
        known = self._known.get(digest)
        if known is not None:
            return known.token if self._clock() < known.refresh_at else self._ageing(digest, known)
        absent = self._absent.get(digest)
        if absent is not None and self._clock() < absent.expires_at:
            return absent.unknown
        return None

    async def find(self, digest: str, address: str | None = None) -> Token | None:
        """Return the token with that digest, or None. `address` is that of the caller who asks.

        However many callers ask at the same time, in however many processes, the store is asked once.
        Raises `StoreUnavailableError` if neither the shared cache nor the store answers in time, OVERLOADED
        if the address asks for so many others that this one has no turn in time.
        """
        found = self.peek(digest)
        if found is None:
            found = await self._in_turn(digest, network_of(address))
            if isinstance(found, Token):
                found = self._newest(digest, found)
        return found if isinstance(found, Token) else None

    def apply(self, change: Change) -> frozenset[str]:
        """Put a change of a token into effect at once, unless a newer one is known.

        Returns the digests that are known to be given up by now.
        """
        if change.token is None:
            return frozenset()
        before = self._digests.get(change.token.id, "")
        newest = self._learn(change.token)
        given_up = {change.retired_digest, change.token.digest, before} - {newest.digest, ""}
        for digest in given_up:
            self._forget(digest, Unknown(newest.revision))
            self._record(digest, Unknown(newest.revision))
        self._record(newest.digest, newest)
        return frozenset(given_up)

    async def close(self) -> None:
        """End the look-ups under way; callers that wait get `StoreUnavailableError`."""
        await self._flights.close()

    async def _in_turn(self, digest: str, network: str) -> Token | Unknown:
        waits = digest not in self._flights
        try:
            async with asyncio.timeout(self._seconds) as limit:
                if waits:
                    await self._turns.take(network)
                    waits = False
                    known = self.peek(digest)
                    if known is not None or digest in self._flights:  # since others have asked for it
                        self._turns.give(network)
                    else:
                        # The look-up has the turn, not the caller, who may leave before its end.
                        self._flights.start(digest).add_done_callback(lambda _: self._turns.give(network))
                    if known is not None:
                        return known
                return await self._flights.find(digest)
        except TimeoutError:
            if not limit.expired():
                raise
            raise _too_many() if waits else StoreUnavailableError("the store") from None

    def _ageing(self, digest: str, known: _Known) -> Token | None:
        now = self._clock()
        if now >= known.expires_at:
            return None
        known.refresh_at = min(now + _RETRY_REFRESH, known.expires_at)
        self._flights.start(digest)
        return known.token

    async def _look_up(self, digest: str) -> Token | Unknown:
        if self._shared is None:
            return self._weigh(digest, await self._store.find(digest) or Unknown())
        found = await self._ask_others(digest, self._shared)
        if found is not None:
            return self._weigh(digest, found)
        try:
            stored = await self._store.find(digest)
        except StoreUnavailableError:
            await self._shared.resign(digest)
            raise
        newest = self._weigh(digest, stored or Unknown())
        await self._shared.put({digest: newest})
        return newest

    async def _ask_others(self, digest: str, shared: SharedTokens) -> Token | Unknown | None:
        """Return what another process found, or None if this one has to ask the store."""
        waited, pause = 0.0, _FIRST_PAUSE
        while True:
            try:
                found = await shared.get(digest)
                if found is not None:
                    return None if self._is_outdated(digest, found) else found
                if waited >= self._patience or await shared.lead(digest):
                    return None
            except StoreUnavailableError:
                return None
            await asyncio.sleep(pause)
            waited, pause = waited + pause, min(2 * pause, _LONGEST_PAUSE)

    def _is_outdated(self, digest: str, found: Token | Unknown) -> bool:
        if isinstance(found, Token):
            digest = self._digests.get(found.id, digest)
        known = self._known.get(digest)
        return known is not None and known.token.revision > found.revision

    def _weigh(self, digest: str, found: Token | Unknown) -> Token | Unknown:
        """Remember the answer of a look-up unless something newer is known; return the newer one."""
        changed = self._flights.change_of(digest)
        if changed is not None and changed.revision >= found.revision:
            found = changed
        if isinstance(found, Unknown):
            self._forget(digest, found)
            return found
        self._learn(found)
        return self._newest(digest, found)

    def _newest(self, digest: str, found: Token) -> Token | Unknown:
        """Return the newest knowledge of a digest, whose token some time ago was `found`."""
        known = self._known.get(self._digests.get(found.id, ""))
        if known is None or known.token.revision <= found.revision:
            return found
        return known.token if known.token.digest == digest else Unknown(known.token.revision)

    def _record(self, digest: str, changed: Token | Unknown) -> None:
        before = self._flights.change_of(digest)
        if before is None or before.revision <= changed.revision:
            self._flights.record(digest, changed)

    def _learn(self, token: Token) -> Token:
        """Remember a token unless a newer revision of it is known; return the one that is remembered."""
        known = self._known.get(self._digests.get(token.id, ""))
        if known is not None:
            if known.token.revision > token.revision:
                return known.token
            if known.token.digest != token.digest:
                self._forget(known.token.digest, Unknown(token.revision))
        now = self._clock()
        self._absent.pop(token.digest, None)
        self._known[token.digest] = _Known(token, now + self._lifetime / 2, now + self._lifetime)
        self._known.move_to_end(token.digest)
        self._digests[token.id] = token.digest
        if len(self._known) > self._capacity:
            _, oldest = self._known.popitem(last=False)
            self._digests.pop(oldest.token.id, None)
        return token

    def _forget(self, digest: str, unknown: Unknown) -> None:
        """Remember that no token has this digest."""
        known = self._known.pop(digest, None)
        if known is not None:
            self._digests.pop(known.token.id, None)
        self._absent[digest] = _Absent(unknown, self._clock() + self._unknown_lifetime)
        self._absent.move_to_end(digest)
        if len(self._absent) > MAX_UNKNOWN:
            self._absent.popitem(last=False)


def _too_many() -> TollkeeperError:
    return TollkeeperError(
        Reason.OVERLOADED,
        "very many tokens that are not known here are being looked up for this address; try again shortly",
        retry_after=SHORTLY_SECONDS,
    )
