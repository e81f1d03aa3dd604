"""Requests and answers of the management doors, independent of any framework."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
from google.protobuf.descriptor import MethodDescriptor

from tollkeeper_server.management.chain.large import largest_request, too_large

LAST_SECONDS = 5.0
"""How long the end of an answer that comes piece by piece may wait for its caller."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `path` is percent-encoded, `query` is without its `?`, header names are in lower case.

    `read_body` takes the most bytes that it may have, and returns None for one that has more. `is_tls` is
    whether the connection to the gateway itself is encrypted.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    read_body: Callable[[int], Awaitable[bytes | None]]
    peer: str = ""
    is_tls: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. Header names are in lower case."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def with_headers(self, headers: Mapping[str, str]) -> "Response":
        """Return the same answer with more headers."""
        return Response(self.status, self.body, {**self.headers, **headers})


Begin = Callable[[Response], Awaitable["Write"]]
"""Begins an answer with its status and headers, and returns what sends its body piece by piece."""
Write = Callable[[bytes], Awaitable[None]]
"""Sends a piece of a body. Returns once the caller can be sent the next."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer that comes piece by piece: `run` begins it when it knows how, and returns at its end."""

    run: Callable[[Begin], Awaitable[None]]


async def write_last(write: Write, piece: bytes) -> None:
    """Send the last piece of an answer. Raises TimeoutError if the caller does not take it soon."""
    async with asyncio.timeout(LAST_SECONDS):
        await write(piece)


def json_response(status: int, content: object, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer in JSON."""
    return Response(
        status,
        msgspec.json.encode(content),
        {"content-type": "application/json", **(headers or {})},
    )


async def body_of(request: Request, method: MethodDescriptor) -> bytes:
    """Return a request's body. Raises BODY_TOO_LARGE if it is larger than the method takes."""
    body = await request.read_body(largest_request(method))
    if body is None:
        raise too_large(method)
    return body


def joined(received: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers by their names in lower case; those that come several times are one (RFC 9110, 5.3)."""
    headers: dict[str, str] = {}
    for name, value in received:
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers


def media_type(headers: Mapping[str, str]) -> str:
    """Return the content type without parameters, in lower case; empty if there is none."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()
