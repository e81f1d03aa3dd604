"""Counting the searches that OpenAI's responses tell of, which are billed beside their tokens.

No usage object says them: each is an item among what the response has put out.

| item | a search |
|---|---|
| `web_search_call` | that has completed, and whose `action` is `search`, if it has one: pages cost nothing |
| `file_search_call` | that has completed |
"""

from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Raw

from tollkeeper_server.providers.members import iterate_inner, read_object

SEARCH_SIGN = b'_search_call"'
"""What stands in an answer or an event that tells of a search."""
_COUNTS = {"web_search_call": "searches", "file_search_call": "file_searches"}
_ITEM = "item"
_DONE = "response.output_item.done"
_NAMES = frozenset({"type", "status", "action", _ITEM})
_decode_list = msgspec.json.Decoder(list[Raw]).decode
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def count_searches(output: bytes) -> dict[str, int]:
    """Return the searches among the items that a response has put out, by the names of counts."""
    return _count(read_object(item, _NAMES) for item in _items(output) if SEARCH_SIGN in item)


def count_done(data: bytes) -> dict[str, int]:
    """Return the search of which the data of an event says that it is done, if it does."""
    event = read_object(data, _NAMES)
    item = event.get(_ITEM)
    return _count([item]) if event.get("type") == _DONE and type(item) is dict else {}


def _count(items: Iterable[dict[str, object]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item in items:
        kind, action = item.get("type"), item.get("action")
        count = _COUNTS.get(kind) if type(kind) is str else None
        is_search = type(action) is not dict or action.get("type", "search") == "search"
        if count is not None and is_search and item.get("status", "completed") == "completed":
            counts[count] = counts.get(count, 0) + 1
    return counts


def _items(output: bytes) -> Iterator[bytes]:
    """Yield the items of a list as they are written; none of what is no list."""
    if not output.lstrip().startswith(b"["):
        return
    try:
        yield from map(bytes, _decode_list(output))
    except _FAILURES:
        yield from iterate_inner(output)
