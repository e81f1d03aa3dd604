"""`/admin/playground/v1`: the data plane for the console's own pages, as a token that a session chooses.

The store keeps digests of tokens alone, so the application can't present one. It names a token by its id,
and the session vouches for it. From then on a call is one of that token: limited, routed, counted and settled
as any. It ends with the session, as if its caller had left.
"""

import asyncio
import re
from collections.abc import Iterable

from tollkeeper_server.dataplane.caller import ACTING, App, Message, Receive, Send
from tollkeeper_server.domain.session import Session
from tollkeeper_server.doors.http import Request, joined
from tollkeeper_server.doors.rest.door import error_response
from tollkeeper_server.doors.session import session_of
from tollkeeper_server.errors import Reason, TollkeeperError, invalid_argument
from tollkeeper_server.management.chain.chain import REQUEST_ID, request_id
from tollkeeper_server.management.sessions import Sessions, session_ended
from tollkeeper_server.snapshot.model import Header

PREFIX = "/admin/playground"
TOKEN_HEADER = "x-tollkeeper-token"  # noqa: S105 - the name of a header
_TOKEN_ID = re.compile(r"tok_[0-9a-hjkmnp-tv-z]{26}")

# What says something of the session or of the page, and nothing to an upstream.
_OF_THE_PAGE = frozenset({b"cookie", b"origin", b"referer", TOKEN_HEADER.encode()})
# What the page is told of an answer. Browsers act on others: they would make the page's call, with the
# cookie, where an upstream redirects to, ask for a password in the console's name, or load something.
_PASSED = frozenset(
    {
        b"allow", b"connection", b"content-encoding", b"content-length", b"content-type", b"date",
        b"retry-after", b"upgrade", REQUEST_ID.encode(), b"x-upstream-request-id",
    }
)  # fmt: skip
_PASSED_PREFIXES = (b"x-ratelimit-", b"x-tollkeeper-")
# An upstream's answer must be nothing that a browser would run or show as a page of the console.
_GUARD: list[Header] = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; sandbox"),
    (b"x-content-type-options", b"nosniff"),
]


def is_playground_path(path: str) -> bool:
    """Return whether a path of the console's port is the playground's."""
    return path.startswith(f"{PREFIX}/v1/")


class Playground:
    """Gives requests of people who are signed in to the data plane, as the token that they name."""

    def __init__(self, plane: App, sessions: Sessions) -> None:
        self._plane = plane
        self._sessions = sessions

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request, as ASGI 3 says."""
        request = _request(scope)
        try:
            session = await self._session_of(request)
            token_id = _token_of(request)
        except TollkeeperError as error:
            await _refuse(send, error, scope)
            return
        call = _Call(receive, send)
        ending = asyncio.create_task(self._end_with(session, call))
        try:
            await self._plane(_acting(scope, token_id), call.receive, call.send)
        finally:
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)
        if call.is_cut and not call.is_answered:
            await _refuse(send, session_ended(), scope)

    async def _end_with(self, session: Session, call: "_Call") -> None:
        await self._sessions.wait_for_end(session.id)
        call.cut()

    async def _session_of(self, request: Request) -> Session:
        session = await session_of(self._sessions, request)
        if session is None:
            raise TollkeeperError(
                Reason.SESSION_ENDED,
                "the playground is for people who are signed in, on the console's own pages; programs call "
                "/v1 with a token",
            )
        return session


class _Call:
    """A call as the data plane has it: once it is cut, its caller has left."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self.is_cut = False
        self.is_answered = False
        self._receive = receive
        self._send = send
        self._receiving: asyncio.Timeout | None = None

    def cut(self) -> None:
        """Have the data plane find that the caller has left."""
        self.is_cut = True
        if self._receiving is not None:
            self._receiving.reschedule(asyncio.get_running_loop().time())

    async def receive(self) -> Message:
        """As ASGI 3 says."""
        if not self.is_cut:
            try:
                async with asyncio.timeout(None) as self._receiving:
                    return await self._receive()
            except TimeoutError:
                if not self.is_cut:
                    raise
            finally:
                self._receiving = None
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """As ASGI 3 says, with the headers that the page is told of."""
        if message["type"] == "http.response.start":
            self.is_answered = True
            headers = [(name, value) for name, value in message["headers"] if _passes(name.lower())]
            message = {**message, "headers": headers + _GUARD}
        await self._send(message)


def _token_of(request: Request) -> str:
    token_id = request.headers.get(TOKEN_HEADER, "")
    if not _TOKEN_ID.fullmatch(token_id):
        raise invalid_argument(
            TOKEN_HEADER, "is not the id of a token, such as tok_ and 26 letters and digits"
        )
    return token_id


def _request(scope: Message) -> Request:
    async def unread(limit: int) -> bytes | None:
        raise NotImplementedError

    headers: Iterable[Header] = scope["headers"]
    client = scope.get("client")
    return Request(
        method=scope["method"],
        path=scope["path"],
        query="",
        headers=joined((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers),
        read_body=unread,
        peer=client[0] if client else "",
        is_tls=scope["scheme"] == "https",
    )


def _acting(scope: Message, token_id: str) -> Message:
    """Return the scope of the same request as one of the data plane, by a token."""
    kept = [
        (name, value)
        for name, value in scope["headers"]
        if name not in _OF_THE_PAGE and not name.startswith(b"sec-")
    ]
    raw_path: bytes = scope["raw_path"]
    return {
        **scope,
        "path": scope["path"].removeprefix(PREFIX),
        "raw_path": raw_path.removeprefix(PREFIX.encode()),
        "headers": kept,
        ACTING: token_id,
        # What a caller's own extension sends would pass by what guards the answer.
        "extensions": {},
    }


def _passes(name: bytes) -> bool:
    return name in _PASSED or name.startswith(_PASSED_PREFIXES)


async def _refuse(send: Send, error: TollkeeperError, scope: Message) -> None:
    answer = error_response(
        error, request_id(dict(scope["headers"]).get(REQUEST_ID.encode(), b"").decode("latin-1"))
    )
    headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    headers += [*_GUARD, (b"content-length", str(len(answer.body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})
