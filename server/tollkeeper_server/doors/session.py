"""`/admin/session`: signing in to the console, whether somebody is signed in, and signing out.

POST    {"token": "<management token>"}  begins a session; the answer sets the cookie
GET     tells of the session             401 if there is none; this is no use of it
DELETE  ends the session                 204, also if there is none; the answer clears the cookie
"""

from typing import Any

import msgspec

from tollkeeper_server.domain.session import Session
from tollkeeper_server.doors.http import Request, Response, json_response, media_type
from tollkeeper_server.doors.rest.door import error_response, other_method
from tollkeeper_server.doors.session_cookie import (
    SessionCookie,
    checked_name,
    clear_cookie,
    offered_cookie,
)
from tollkeeper_server.errors import Reason, TollkeeperError, invalid_argument
from tollkeeper_server.management.chain.chain import REQUEST_ID, request_id
from tollkeeper_server.management.sessions import Sessions

PATH = "/admin/session"
_ALLOWED = "DELETE, GET, HEAD, OPTIONS, POST"
_MOST_BYTES = 4096
_JSON = "application/json"
_UNCACHED = {"cache-control": "no-store"}


class _SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: str


class SessionDoor:
    """Answers requests for `/admin/session`. Its errors have REST's form."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def serve(self, request: Request) -> Response:
        """Answer a request; an error is an answer, too."""
        this_id = request_id(request.headers.get(REQUEST_ID))
        try:
            answer = await self._serve(request, this_id)
        except TollkeeperError as error:
            answer = error_response(error, this_id)
        return answer.with_headers({REQUEST_ID: this_id, **_UNCACHED})

    async def _serve(self, request: Request, this_id: str) -> Response:
        match request.method:
            case "POST":
                return await self._sign_in(request)
            case "GET" | "HEAD":
                return await self._tell(request)
            case "DELETE":
                return await self._sign_out(request)
            case other:
                return other_method(other, _ALLOWED, this_id)

    async def _sign_in(self, request: Request) -> Response:
        name = checked_name(request)
        self._sessions.check_attempts(request.peer)  # before the body is read
        token = await _token_of(request)
        session, secret = await self._sessions.begin(
            token, address=request.peer, user_agent=request.headers.get("user-agent", "")
        )
        before = offered_cookie(request)
        if before is not None:
            await self._sessions.sign_out(before.secret)
        return json_response(200, _told(session), SessionCookie(name, secret).setting())

    async def _tell(self, request: Request) -> Response:
        cookie = offered_cookie(request)
        if cookie is None:
            raise TollkeeperError(Reason.SESSION_ENDED, "nobody is signed in; sign in")
        found = await self._sessions.find(cookie.secret, is_use=False)
        replaced = found.replacement and SessionCookie(cookie.name, found.replacement).setting()
        return json_response(200, _told(found.session), replaced or {})

    async def _sign_out(self, request: Request) -> Response:
        name = checked_name(request)
        cookie = offered_cookie(request)
        if cookie is not None:
            await self._sessions.sign_out(cookie.secret)
        return Response(204, headers=clear_cookie(name))


async def session_of(sessions: Sessions, request: Request) -> Session | None:
    """Return the session that a request of one of the console's pages is made under, which is a use of it.

    None if there is none: the cookie is not there, does not count, or its session has ended. Raises
    `StoreUnavailableError`.
    """
    cookie = offered_cookie(request)
    if cookie is None:
        return None
    try:
        return (await sessions.find(cookie.secret)).session
    except TollkeeperError as error:
        if error.reason is not Reason.SESSION_ENDED:
            raise
        return None


def _told(session: Session) -> dict[str, Any]:
    """Return what the application is told of its session; times as RFC 3339 has them."""
    return {
        "id": session.id,
        "created_at": session.created_at,
        "idle_expires_at": session.idle_expires_at,
        "absolute_expires_at": session.absolute_expires_at,
    }


async def _token_of(request: Request) -> str:
    """Return the token that the body holds. No message shows anything of the body."""
    if media_type(request.headers) != _JSON:
        raise TollkeeperError(
            Reason.UNSUPPORTED_MEDIA_TYPE, f"content-type: not one that is taken here; send {_JSON}"
        )
    body = await request.read_body(_MOST_BYTES)
    if body is None:
        raise TollkeeperError(
            Reason.BODY_TOO_LARGE, f"the body is larger than the {_MOST_BYTES:,} bytes that signing in takes"
        )
    try:
        return msgspec.json.decode(body, type=_SignIn).token
    except msgspec.ValidationError:
        raise invalid_argument(
            "token", 'expected {"token": "<management token>"}, and nothing else'
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise TollkeeperError(Reason.INVALID_JSON, "the body is not valid JSON") from None
