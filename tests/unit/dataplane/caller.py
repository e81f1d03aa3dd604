"""A caller, and what it is sent."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tollkeeper_server.dataplane.caller import EXTENSION
from tollkeeper_server.dataplane.plane import DataPlane
from tollkeeper_server.snapshot.model import Header

from tests.unit.dataplane.configured import SECRET

DEADLINE = 20.0


class Taker:
    """A caller on the data listener: what it is sent comes into a list of ASGI messages.

    It takes no more after each part, until it is asked whether it does.
    """

    def __init__(self, sent: list[dict[str, object]]) -> None:
        self.sent = sent
        self.waited = 0
        self.headers_checked = False
        self.is_known = True
        task = asyncio.current_task()
        assert task is not None
        self.task: asyncio.Task[None] = task

    def show(self) -> None:
        """Show nothing."""

    def whole_body(self) -> bytes | None:
        """Return that the body has not come yet."""
        return None

    def answer(self, status: int, headers: list[Header], body: bytes) -> None:
        """Keep an answer as the two messages that it would have been."""
        self.sent.append({"type": "http.response.start", "status": status, "headers": headers})
        self.sent.append({"type": "http.response.body", "body": body, "more_body": False})

    def write_part(self, part: bytes) -> bool:
        """Keep a part."""
        if part:
            self.sent.append({"type": "http.response.body", "body": part, "more_body": True})
        return not part

    async def ready(self) -> None:
        """Count."""
        self.waited += 1

    def when_gone(self, call: Callable[[], None] | None) -> None:
        """Stay."""


@dataclass
class Reply:
    """What a caller was sent."""

    messages: list[dict[str, Any]]

    @property
    def status(self) -> int:
        """The status."""
        status: int = self.messages[0]["status"]
        return status

    @property
    def headers(self) -> dict[bytes, bytes]:
        """The headers, of which none may come twice."""
        pairs: list[Header] = self.messages[0]["headers"]
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    @property
    def chunks(self) -> list[bytes]:
        """The pieces of the body that are not empty."""
        return [m["body"] for m in self.messages[1:] if m.get("body")]

    @property
    def body(self) -> bytes:
        """The body."""
        return b"".join(self.chunks)

    @property
    def ended(self) -> bool:
        """Whether the answer was ended, exactly once and at the end."""
        ends = [not m.get("more_body", False) for m in self.messages[1:]]
        return ends.count(True) == 1 and ends[-1]


class Caller:
    """One request to the plane: its scope, what of its body comes when, and when it leaves."""

    def __init__(
        self,
        method: str = "POST",
        path: str = "/v1/chat/completions",
        body: bytes | Sequence[bytes] = b"",
        headers: Sequence[Header] = (),
        *,
        secret: bytes | None = SECRET,
        query: bytes = b"",
        http_version: str = "1.1",
        declare: bool = True,
        json: bool = True,
        on_listener: bool = False,
    ) -> None:
        pieces = [body] if isinstance(body, bytes) else list(body)
        size = sum(map(len, pieces))
        sent = [(b"host", b"gateway.test"), *headers]
        if secret is not None:
            sent.append((b"authorization", b"Bearer " + secret))
        if json and not any(name == b"content-type" for name, _ in headers):
            sent.append((b"content-type", b"application/json"))
        if any(name == b"content-length" for name, _ in headers):
            pass  # whatever it says
        elif declare and size:
            sent.append((b"content-length", str(size).encode()))
        elif size:
            sent.append((b"transfer-encoding", b"chunked"))
        self.scope: dict[str, Any] = {
            "type": "http",
            "http_version": http_version,
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query,
            "headers": sent,
        }
        self._inbox: list[dict[str, Any]] = [
            {"type": "http.request", "body": piece, "more_body": at < len(pieces)}
            for at, piece in enumerate(pieces, start=1)
        ]
        self._on_listener = on_listener
        self.left = asyncio.Event()
        self.sent: list[dict[str, Any]] = []
        self.on_send: Callable[[dict[str, Any]], Awaitable[None]] | None = None
        self.unread_at_end = 0

    async def _receive(self) -> dict[str, Any]:
        if self._inbox:
            return self._inbox.pop(0)
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.sent.append(dict(message))
        if self.on_send is not None:
            await self.on_send(self.sent[-1])

    async def call(self, plane: DataPlane) -> Reply:
        """Send the request; returns what was answered."""
        if self._on_listener:
            self.scope["extensions"] = {EXTENSION: Taker(self.sent)}
        async with asyncio.timeout(DEADLINE):
            await plane(self.scope, self._receive, self._send)
        self.unread_at_end = len(self._inbox)
        return Reply(self.sent)

    @property
    def started(self) -> bool:
        """Whether the answer's head came."""
        return bool(self.sent)
