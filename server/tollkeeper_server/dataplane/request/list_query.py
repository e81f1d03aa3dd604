"""The query of a request for a list: how much of it is asked for, and from where on.

| | from where on | how much |
|---|---|---|
| OpenAI | `after` or `before`, the id of a thing | `limit` |
| Anthropic | `after_id` or `before_id`, the id of a thing | `limit` |
| Anthropic's files and later lists | `page`, which the page before gave as `next_page` | `limit` |
| Mistral | `page`, a number from 0 | `page_size` |
| Google | `pageToken`, which the page before gave | `pageSize` |
| Cohere, xAI | the same, as `page_token` or `pagination_token` | `page_size`, `limit` |
"""

import base64
import binascii
import re
from urllib.parse import quote, unquote_plus

from msgspec import Struct

from tollkeeper_server.errors import invalid_argument

MAX_LIMIT = 10_000
"""The most things that one request may ask for, as OpenAI has it for files."""
_MAX_DIGITS = 6
_PAGE_PREFIX = "page_"
_AFTER = frozenset({"after", "after_id"})
_BEFORE = frozenset({"before", "before_id"})
_BY_PAGE = ("page", "page_token", "pagetoken", "pagination_token")
_POSITIONS = (*sorted(_AFTER), *sorted(_BEFORE), *_BY_PAGE)
_SIZES = ("limit", "page_size", "pagesize")
_READ = frozenset({*_SIZES, *_POSITIONS})
_PAGE_SIZE = 100
# Some servers take a semicolon for an ampersand (WHATWG's URL standard no more, HTML 4 did).
_SEPARATOR = re.compile("[&;]")


class ListQuery(Struct, frozen=True, gc=False):
    """What a query asks for. `cursor` is the id of a thing, empty for the list's beginning.

    `backwards` asks for what stands before it. `by_page`: the caller has it from a `next_page`. `field` is
    the parameter that names it. `number` is that of the page, where pages have numbers. `size_name` is the
    parameter that says how much, as it was written. `order` is "asc", "desc" or empty. `rest` is the query
    without what says how much, and from where on.
    """

    limit: int | None = None
    cursor: str = ""
    backwards: bool = False
    by_page: bool = False
    number: int | None = None
    field: str = ""
    size_name: str = ""
    order: str = ""
    rest: str = ""


def read_list_query(query: str) -> ListQuery:
    """Return what a query asks for. Raises INVALID_ARGUMENT for one that contradicts itself."""
    found: dict[str, str] = {}
    rest: list[str] = []
    order = size_name = ""
    for pair in filter(None, _SEPARATOR.split(query)):
        name, _, value = pair.partition("=")
        written, value = unquote_plus(name), unquote_plus(value)
        name = written.lower()
        if name not in _READ:
            rest.append(pair)
            if name == "order":
                order = value.lower()
            continue
        if name in found:
            raise invalid_argument(name, "is given more than once; give it once")
        if value:
            found[name] = value
            if name in _SIZES:
                size_name = written
    given = [name for name in _POSITIONS if name in found]
    if len(given) > 1:
        raise invalid_argument(given[1], f"can't be used together with {given[0]}; use one of them")
    position = given[0] if given else ""
    cursor = found.get(position, "")
    limit = next((_limit(name, found[name]) for name in _SIZES if name in found), None)
    if position == "page" and cursor.isascii() and cursor.isdigit() and len(cursor) <= _MAX_DIGITS:
        return ListQuery(limit or _PAGE_SIZE, number=int(cursor), order=order, rest="&".join(rest))
    if position in _BY_PAGE:
        cursor = read_page_name(cursor, position)
    return ListQuery(
        limit,
        cursor,
        backwards=position in _BEFORE,
        by_page=position in _BY_PAGE,
        field=position,
        size_name=size_name,
        order=order,
        rest="&".join(rest),
    )


def page_name(last_id: str) -> str:
    """Return the `next_page` of a page that ends with a thing."""
    return _PAGE_PREFIX + base64.urlsafe_b64encode(last_id.encode()).decode().rstrip("=")


def read_page_name(name: str, field: str = "page") -> str:
    """Return the id of the last thing of the page before. Raises INVALID_ARGUMENT for another's name."""
    coded = name.removeprefix(_PAGE_PREFIX)
    try:
        last_id = base64.b64decode(coded + "=" * (-len(coded) % 4), b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        last_id = ""
    if not last_id or page_name(last_id) != name:
        raise invalid_argument(field, "is no page of this list; take it from the page before")
    return last_id


def with_position(rest: str, size: int, name: str, position: str, size_name: str = "limit") -> str:
    """Return the query that asks for `size` things from a position on, of which `name` is the parameter."""
    pairs = [rest] if rest else []
    pairs.append(f"{size_name}={size}")
    if position:
        pairs.append(f"{name}={quote(position, safe='')}")
    return "&".join(pairs)


def with_number(query: str, size: int, number: int) -> str:
    """Return a query that also asks for the page of that number, of `size` things."""
    return f"{query}&page={number}&page_size={size}"


def _limit(name: str, written: str) -> int:
    if not (
        written.isascii()
        and written.isdigit()
        and len(written) <= _MAX_DIGITS
        and 0 < int(written) <= MAX_LIMIT
    ):
        raise invalid_argument(name, f"must be a whole number from 1 to {MAX_LIMIT:,}")
    return int(written)
