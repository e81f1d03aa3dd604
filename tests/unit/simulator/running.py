"""A simulator that is running, and how tests speak to it below HTTP."""

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True)
class Running:
    """A simulator on a socket; cancelling `task` stops it."""

    port: int
    task: asyncio.Task[None]

    @property
    def url(self) -> str:
        """Its base URL, without `/v1`."""
        return f"http://127.0.0.1:{self.port}"

    async def raw(self, head: str, body: bytes = b"") -> bytes:
        """Send a request as text and returns all that comes until the connection ends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
            return await reader.read()
        finally:
            writer.close()


def chat_head(simulate: str, body: bytes, *, close: bool = False) -> str:
    """Return the head of a chat request with that `x-simulate`."""
    return (
        "POST /v1/chat/completions HTTP/1.1\nhost: simulator\ncontent-type: application/json\n"
        f"content-length: {len(body)}\nx-simulate: {simulate}" + ("\nconnection: close" if close else "")
    )
