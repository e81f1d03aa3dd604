"""Requests and answers of the management doors, independent of any framework."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

MAX_BODY = 1024 * 1024
"""The largest body of a request to the management plane, in bytes."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `path` is percent-encoded, `query` is without its `?`, header names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    peer: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. Header names are in lower case."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def with_headers(self, headers: Mapping[str, str]) -> "Response":
        """Return the same answer with more headers."""
        return Response(self.status, self.body, {**self.headers, **headers})


def json_response(status: int, content: object, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer in JSON."""
    return Response(
        status,
        msgspec.json.encode(content),
        {"content-type": "application/json", **(headers or {})},
    )


def media_type(headers: Mapping[str, str]) -> str:
    """Return the content type without parameters, in lower case; empty if there is none."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()
