"""Paging: opaque page tokens, and reading all pages of a store."""

import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeVar

from google.protobuf.message import Message
from tollkeeper.messages.fields import descriptor_of

from tollkeeper_server.errors import Reason, TollkeeperError

DEFAULT_PAGE = 100
_VERSION = b"\x01"
_BINDING = 8
_ALL = 500
_FREE = {"page_size", "page_token", "with_total"}

_T = TypeVar("_T")


def page_size(request: Message) -> int:
    """Return how many entries the request asks for."""
    return request.page_size or DEFAULT_PAGE  # type: ignore[attr-defined]  # every list request has it


def page_token(request: Message, last_key: str) -> str:
    """Return the token for the page after `last_key` of the same list with the same filters."""
    raw = _VERSION + _binding(request) + last_key.encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def last_key(request: Message) -> str:
    """Return the key after which the requested page begins, empty for the first.

    Raises INVALID_ARGUMENT for a token that is malformed, or of another list or filter.
    """
    token: str = request.page_token  # type: ignore[attr-defined]  # every list request has it
    if not token:
        return ""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        key = raw[len(_VERSION) + _BINDING :].decode()
    except ValueError:
        raw, key = b"", ""
    if not key or page_token(request, key) != token:
        raise wrong_page_token()
    return key


def wrong_page_token() -> TollkeeperError:
    """Return the refusal of a page token."""
    return TollkeeperError(
        Reason.INVALID_ARGUMENT,
        "page_token: not one of this list with these filters and order; begin again without a page_token",
        field="page_token",
    )


def next_page(
    request: Message, entries: list[_T], size: int, key: Callable[[_T], str]
) -> tuple[list[_T], str]:
    """Return the page and the token of the next one, given one entry more than fits if there is one."""
    if len(entries) <= size:
        return entries, ""
    return entries[:size], page_token(request, key(entries[size - 1]))


def _binding(request: Message) -> bytes:
    """Return what ties a token to a list, its filters and order. The size of its pages may change."""
    filters = type(request)()
    filters.CopyFrom(request)
    for name in _FREE & {*descriptor_of(request).fields_by_name}:
        filters.ClearField(name)
    asked = request.DESCRIPTOR.full_name.encode() + b"\0" + filters.SerializeToString(deterministic=True)
    return hashlib.sha256(asked).digest()[:_BINDING]


class Read(Protocol[_T]):
    """A store's method that lists entries of one kind."""

    def __call__(self, *, after: str, limit: int) -> Awaitable[list[_T]]:
        """Return up to `limit` entries after a key."""


async def every(read: Read[_T], key: Callable[[_T], str]) -> AsyncIterator[_T]:
    """Yield all entries, a page at a time."""
    after = ""
    while True:
        page = await read(after=after, limit=_ALL)
        for entry in page:
            yield entry
        if len(page) < _ALL:
            return
        after = key(page[-1])
