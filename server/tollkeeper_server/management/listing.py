"""List requests: the order and the place that they ask for, and the page that answers them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec
from google.protobuf.message import Message

from tollkeeper_server.domain.configuration import Entity
from tollkeeper_server.domain.listing import COUNTED, Order, Page, Place, folded, place_of
from tollkeeper_server.domain.token import Token
from tollkeeper_server.errors import invalid_argument
from tollkeeper_server.management.paging import last_key, next_page, page_size, wrong_page_token

E = TypeVar("E", bound=Entity | Token)

# Ids sort by the time of creation, so the order of keys is the order of creation.
PROJECT_ORDERS = {"created_at": Order.KEY, "updated_at": Order.UPDATED, "name": Order.NAME}
TOKEN_ORDERS = {**PROJECT_ORDERS, "expires_at": Order.EXPIRY, "last_used_at": Order.USE}
NAMED_ORDERS = {"name": Order.KEY, "created_at": Order.CREATED, "updated_at": Order.UPDATED}

_DIRECTIONS = {(): False, ("asc",): False, ("desc",): True}


@dataclass(frozen=True, slots=True)
class Listed(Generic[E]):
    """A page of a list, the token of the next one, and the length of the list if that was asked for."""

    entries: list[E]
    next_page_token: str
    total_size: int | None


async def answer(
    request: Message,
    orders: Mapping[str, Order],
    read: Callable[[Page], Awaitable[list[E]]],
    count: Callable[[int], Awaitable[int]],
) -> Listed[E]:
    """Return the page that is asked for. `count` counts a list up to a number; one of one page needs none.

    Raises INVALID_ARGUMENT for an unknown order, and for a page token of another list, order or filter.
    """
    size = page_size(request)
    order, descending = _order(request.order_by, orders)  # type: ignore[attr-defined]  # every list has it
    key = last_key(request)
    page = Page(order=order, descending=descending, after=_place(key, order) if key else None, limit=size + 1)
    found = await read(page)
    entries, following = next_page(request, found, size, lambda it: _key(place_of(it, order)))
    total = None
    if request.with_total:  # type: ignore[attr-defined]
        is_whole = page.after is None and not following
        total = len(entries) if is_whole else await count(COUNTED)
    return Listed(entries, following, total)


def searched(request: Message) -> str:
    """Return the text that a request searches for, as stores have it."""
    return folded(request.search.strip())  # type: ignore[attr-defined]  # every list request has it


def _order(text: str, orders: Mapping[str, Order]) -> tuple[Order, bool]:
    """Return the order that `order_by` names, the first one if it is empty, and whether it is reversed."""
    name, *rest = text.split() or [next(iter(orders))]
    if name not in orders or tuple(rest) not in _DIRECTIONS:
        raise invalid_argument(
            "order_by", f'must be one of {", ".join(orders)}, with " desc" behind it for the reverse order'
        )
    return orders[name], _DIRECTIONS[tuple(rest)]


def _key(place: Place) -> str:
    """Return a place as a page token has it."""
    return msgspec.json.encode(place).decode() if place.value else place.key


def _place(key: str, order: Order) -> Place:
    if order is Order.KEY or not key.startswith("{"):
        return Place("", key)
    try:
        return msgspec.json.decode(key, type=Place)
    except msgspec.DecodeError:
        raise wrong_page_token() from None
