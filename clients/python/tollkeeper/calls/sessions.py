"""The calls of SessionService."""

from tollkeeper.calls.rpc import Pages, Rpc, pages, rpc_with, rpc_without_answer
from tollkeeper.messages import fill, read
from tollkeeper.v1 import session_service_pb2 as pb
from tollkeeper.values.session import RevokedSessions, Session


def list_sessions(*, page_size: int = 0) -> Pages[Session]:
    """Iterate over the sessions of the console that go on, newest first.

    Pages are of `page_size`, the gateway's choice if 0.
    """
    return pages(fill(pb.ListSessionsRequest(), page_size=page_size), Session)


def revoke_session(session_id: str, /) -> Rpc[None]:
    """End a session. Raises `NotFound` if there is none of that id, or none that goes on."""
    return rpc_without_answer(fill(pb.RevokeSessionRequest(), id=session_id))


def revoke_all_sessions(*, keep_current: bool = False) -> Rpc[RevokedSessions]:
    """End all sessions.

    `keep_current` is for callers under a session; this client calls with the management token, and has none.
    """
    request = fill(pb.RevokeAllSessionsRequest(), keep_current=keep_current)
    return rpc_with(request, lambda response: read(RevokedSessions, response))
