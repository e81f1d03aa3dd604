"""The sessions of people who sign in to the console: how they begin, are found again, and end."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tollkeeper_server.domain.ids import Prefix, new_id
from tollkeeper_server.domain.session import (
    IDLE,
    LONGEST,
    MOST,
    NOTED,
    OVERLAP,
    ROTATED,
    Session,
    SessionSecrets,
    shortened,
)
from tollkeeper_server.errors import Reason, StoreUnavailableError, TollkeeperError
from tollkeeper_server.management.management_token import ManagementToken
from tollkeeper_server.management.sign_in_attempts import SignInAttempts
from tollkeeper_server.management.watching import Announcement
from tollkeeper_server.store.ports import SessionStore
from tollkeeper_server.telemetry.once_a_minute import OnceAMinute

logger = logging.getLogger("tollkeeper.management")
_ENDED_BATCH = 1000
_SIGN_IN = "sign-in"

calling_session: ContextVar[Session | None] = ContextVar("calling_session", default=None)
"""The session under which a call is made; None if it is made with the management token itself."""


class SignIn(StrEnum):
    """What came of an attempt to sign in."""

    OK = "ok"
    WRONG = "wrong"
    """The token was another text than the management token."""
    LIMITED = "limited"
    """Too many had failed."""


@dataclass(frozen=True, slots=True)
class Found:
    """A session, and the secret that its browser is to send from then on, None if it is to keep its own."""

    session: Session
    replacement: str | None = None


class Sessions:
    """The sessions that a store keeps. Every process on the store knows all of them, and asks it each time.

    A session ends 8 hours after its last use, and 24 hours after its beginning. Those that began with another
    management token don't count. There are `most`: one more ends the one that nobody used for longest. A
    secret that is 15 minutes old is replaced: the new one counts from its first use on, the old one for a
    minute more. A browser that did not receive the new one is given it again.
    """

    def __init__(
        self,
        store: SessionStore,
        digest_key: bytes,
        management_token: str,
        clock: Callable[[], datetime],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        look_seconds: float = 5.0,
        most: int = MOST,
        counted: Callable[[SignIn], None] = lambda _: None,
    ) -> None:
        """Take clocks: of aware UTC datetimes, and of seconds.

        Streams and calls of the playground look every `look_seconds` whether another process has ended their
        session. `counted` is called for each attempt to sign in.
        """
        self._look_seconds = look_seconds
        self._most = most
        self._counted = counted
        self._end = Announcement()
        self._ends = 0
        self._store = store
        self._secrets = SessionSecrets(digest_key)
        self._token = ManagementToken(management_token)
        self._mark = self._secrets.mark_of(management_token)
        self._clock = clock
        self._attempts = SignInAttempts(monotonic)
        self._telling = OnceAMinute(monotonic)
        self._failed = 0

    def check_attempts(self, address: str) -> None:
        """Raise RATE_LIMIT_EXCEEDED if too many attempts to sign in failed, of this address or in all."""
        try:
            self._attempts.check(address)
        except TollkeeperError:
            self._counted(SignIn.LIMITED)
            raise

    async def begin(self, presented: str, *, address: str, user_agent: str) -> tuple[Session, str]:
        """Return a new session and its secret, for somebody who presents the management token.

        Raises INVALID_API_KEY if it is another text, and as `check_attempts` does.
        """
        self.check_attempts(address)
        try:
            self._token.check(presented)
        except TollkeeperError:
            self._attempts.failed(address)
            self._counted(SignIn.WRONG)
            self._tell_failure(address)
            raise
        secret, now = self._secrets.new(), self._clock()
        session = Session(
            id=new_id(Prefix.SESSION),
            digest=self._secrets.digest_of(secret),
            next_digest=self._secrets.digest_of(self._secrets.following(secret)),
            rotated_at=now,
            token_mark=self._mark,
            created_at=now,
            last_used_at=now,
            address=address,
            user_agent=shortened(user_agent),
        )
        await self._store.add(session)
        if await self._store.delete_surplus(keep=self._most):
            logger.info("a session that nobody had used for longest was ended: there were %d", self._most)
            self._tell_end()
        self._counted(SignIn.OK)
        logger.info("%s signed in: session %s", address or "a local caller", session.id)
        return session, secret

    async def find(self, secret: str, *, is_use: bool = True) -> Found:
        """Return the session that a secret is of. With `is_use` it does not end for being idle from then on.

        Raises SESSION_ENDED if there is none, or none that goes on.
        """
        if not self._secrets.is_genuine(secret):  # made up: the store is not asked
            raise session_ended()
        digest, now = self._secrets.digest_of(secret), self._clock()
        session = await self._counting(digest, now)
        if digest == session.next_digest:
            session = await self._rotated(session, secret, now)
        if is_use and now - session.last_used_at >= NOTED:
            await self._store.touch(session.id, at=now)
        is_due = digest == session.digest and now - session.rotated_at >= ROTATED
        return Found(session, self._secrets.following(secret) if is_due else None)

    async def wait_for_end(self, session_id: str) -> None:
        """Return when a session has ended: at once if that happens here, else when it is looked for.

        To look is no use of it. While the store is away, it is not known.
        """
        loop = asyncio.get_running_loop()
        while True:
            seen, wait = self._ends, self._look_seconds
            try:
                left = await self._seconds_left(session_id)
            except StoreUnavailableError:
                pass
            except Exception:
                logger.exception("whether session %s goes on could not be found out", session_id)
                return
            else:
                if left <= 0:
                    return
                wait = min(wait, left)
            if self._ends == seen:  # else one has ended meanwhile
                await self._end.comes_until(loop.time() + wait)

    async def sign_out(self, secret: str) -> None:
        """End the session that a secret is of, if there is one."""
        if self._secrets.is_genuine(secret):
            session = await self._store.find(self._secrets.digest_of(secret))
            if session is not None:
                await self.revoke(session.id)

    async def page(self, *, before: str, limit: int) -> list[Session]:
        """Return up to `limit` sessions that go on, newest first; ids less than `before`, any if empty."""
        now, good = self._clock(), list[Session]()
        while len(good) < limit:
            found = await self._store.list(self._mark, before=before, limit=limit)
            good += [it for it in found if self._is_good(it, now)]
            if len(found) < limit:
                break
            before = found[-1].id
        return good[:limit]

    async def revoke(self, session_id: str) -> bool:
        """End a session; return whether there was one."""
        was_there = await self._store.delete(session_id)
        self._tell_end()
        if was_there:
            logger.info("session %s was ended", session_id)
        return was_there

    async def revoke_all(self, *, but: str = "") -> int:
        """End all sessions but the one with the id `but`; return how many that were."""
        count = await self._store.delete_all(but=but)
        self._tell_end()
        logger.info("%d sessions were ended", count)
        return count

    async def _seconds_left(self, session_id: str) -> float:
        session, now = await self._store.get(session_id), self._clock()
        if session is None or not self._is_good(session, now):
            return 0.0
        return (session.idle_expires_at - now).total_seconds()

    def _tell_end(self) -> None:
        self._ends += 1
        self._end.tell()

    def _tell_failure(self, address: str) -> None:
        self._failed += 1
        if self._telling.is_due(_SIGN_IN):
            logger.warning(
                "%s tried to sign in with another text than the management token "
                "(%d attempts failed so far; further ones are not logged for a minute)",
                address or "a local caller",
                self._failed,
            )

    async def _counting(self, digest: str, now: datetime) -> Session:
        """Return the session that a digest is of, if it goes on and that secret counts."""
        session = await self._store.find(digest)
        if session is None or not self._is_good(session, now):
            raise session_ended()
        if digest == session.previous_digest and not (
            session.previous_until is not None and now < session.previous_until
        ):
            raise session_ended()
        return session

    async def _rotated(self, session: Session, secret: str, now: datetime) -> Session:
        """Return the session after the first use of its next secret, which may come many times at once."""
        following = self._secrets.digest_of(self._secrets.following(secret))
        await self._store.rotate(
            session.id, expected=session.digest, following=following, at=now, until=now + OVERLAP
        )
        return await self._counting(self._secrets.digest_of(secret), now)

    async def delete_ended(self) -> None:
        """Remove sessions that have ended from the store, a batch at a time."""
        now = self._clock()
        while await self._store.delete_ended(
            used_before=now - IDLE, created_before=now - LONGEST, limit=_ENDED_BATCH
        ):
            pass

    def _is_good(self, session: Session, now: datetime) -> bool:
        return session.token_mark == self._mark and now < session.idle_expires_at


def session_ended() -> TollkeeperError:
    """Return the refusal of a session."""
    return TollkeeperError(Reason.SESSION_ENDED, "the session has ended; sign in again")
