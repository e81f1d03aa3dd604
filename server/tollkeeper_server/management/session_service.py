"""SessionService: who is signed in to the console, and the end of sessions."""

from tollkeeper.messages import fill
from tollkeeper.v1 import session_service_pb2 as pb

from tollkeeper_server.domain.session import Session
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.paging import last_key, next_page, page_size
from tollkeeper_server.management.sessions import Sessions, calling_session


class SessionService:
    """Implements `tollkeeper.v1.SessionService`."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def list_sessions(self, request: pb.ListSessionsRequest) -> pb.ListSessionsResponse:
        """Read a page of the sessions that go on."""
        size = page_size(request)
        found = await self._sessions.page(before=last_key(request), limit=size + 1)
        page, following = next_page(request, found, size, lambda it: it.id)
        return pb.ListSessionsResponse(sessions=map(_told, page), next_page_token=following)

    async def revoke_session(self, request: pb.RevokeSessionRequest) -> pb.RevokeSessionResponse:
        """End a session."""
        if not await self._sessions.revoke(request.id):
            raise TollkeeperError(
                Reason.NOT_FOUND, f"id: there is no session {request.id}; it may have ended", field="id"
            )
        return pb.RevokeSessionResponse()

    async def revoke_all_sessions(self, request: pb.RevokeAllSessionsRequest) -> pb.RevokeAllSessionsResponse:
        """End all sessions, perhaps but the caller's."""
        own = calling_session.get()
        kept = own.id if own is not None and request.keep_current else ""
        return pb.RevokeAllSessionsResponse(revoked_count=await self._sessions.revoke_all(but=kept))


def _told(session: Session) -> pb.Session:
    own = calling_session.get()
    return fill(
        pb.Session(),
        id=session.id,
        is_current=own is not None and own.id == session.id,
        created_at=session.created_at,
        last_used_at=session.last_used_at,
        idle_expires_at=session.idle_expires_at,
        absolute_expires_at=session.absolute_expires_at,
        address=session.address,
        user_agent=session.user_agent,
    )
