"""The interceptor that finds out who calls: with the management token, or under a session."""

import asyncio

from tollkeeper.v1 import options_pb2

from tollkeeper_server.domain.session import Session
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.chain.chain import Answer, Interceptor, Invocation, Next
from tollkeeper_server.management.management_token import ManagementToken, bearer_of
from tollkeeper_server.management.sessions import Sessions, calling_session, session_ended


def authenticate(management_token: str, sessions: Sessions) -> Interceptor:
    """Return the interceptor that gives the admin's role to a caller with the management token.

    Those who have signed in with it have the role, too, where their door lets a session count. A stream ends
    with its session.
    """
    expected = ManagementToken(management_token)

    async def interceptor(invocation: Invocation, proceed: Next) -> Answer:
        presented, offered = bearer_of(invocation.call.metadata), invocation.call.session
        if presented is not None:
            expected.check(presented)
        elif offered is None:
            raise TollkeeperError(
                Reason.INVALID_API_KEY,
                "the management token is missing; send it as Authorization: Bearer <token>",
            )
        invocation.roles = frozenset({options_pb2.ROLE_ADMIN})
        if presented is not None or offered is None:
            invocation.caller = "management token"
            return await proceed(invocation)
        found = await sessions.find(offered.secret)
        invocation.caller = f"session {found.session.id}"
        offered.replacement = found.replacement
        reset = calling_session.set(found.session)
        try:
            if invocation.send is None:
                return await proceed(invocation)
            return await _until_it_ends(sessions, found.session, invocation, proceed)
        finally:
            calling_session.reset(reset)

    return interceptor


async def _until_it_ends(
    sessions: Sessions, session: Session, invocation: Invocation, proceed: Next
) -> Answer:
    """Serve a stream, and end it with its session. Raises SESSION_ENDED then."""
    limit = asyncio.timeout(None)
    looking: asyncio.Task[None] | None = None
    try:
        async with limit:
            looking = asyncio.create_task(_wait_for_end(sessions, session.id, limit))
            return await proceed(invocation)
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise session_ended() from error
    finally:
        if looking is not None:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)


async def _wait_for_end(sessions: Sessions, session_id: str, limit: asyncio.Timeout) -> None:
    """Let a time limit pass when a session ends."""
    await sessions.wait_for_end(session_id)
    limit.reschedule(asyncio.get_running_loop().time())
