"""Lists as CSV, for those who accept `text/csv` or ask with `alt=csv`: a download of up to 10,000 rows, of
several pages. A link in a page can't say what it accepts.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from tollkeeper.messages.sheets import columns_of, csv_of, row_of

from tollkeeper_server.doors.http import Response
from tollkeeper_server.doors.rest.json import to_json
from tollkeeper_server.doors.rest.routes import HttpBinding
from tollkeeper_server.errors import invalid_argument
from tollkeeper_server.management.chain.chain import Call, Chain

NEXT_PAGE = "x-next-page-token"
CSV = "text/csv"
_JSON = "application/json"
_PAGE_SIZE, _PAGE_TOKEN = "page_size", "page_token"
MOST_ROWS = 10_000
FORMS = ("csv", "json")
"""What the parameter `alt` of a list may ask for."""
_ALT = "alt="


def item_of(route: HttpBinding) -> Descriptor | None:
    """Return what a route answers a list of; None if it answers no list of messages."""
    if not route.response_body:
        return None
    field = route.method.output_type.fields_by_name[route.response_body]
    return field.message_type if field.is_repeated else None


def without_alt(route: HttpBinding, query: str) -> tuple[str, str]:
    """Return the query of a list without the parameter `alt`, and that, empty if it is not there.

    Raises INVALID_ARGUMENT for a form that no list has.
    """
    parts = query.split("&")
    asked = [part.removeprefix(_ALT) for part in parts if part.startswith(_ALT)]
    if not asked or item_of(route) is None:
        return query, ""
    if len(asked) > 1 or asked[0] not in FORMS:
        raise invalid_argument("alt", f"expected one of {', '.join(FORMS)}")
    return "&".join(part for part in parts if not part.startswith(_ALT)), asked[0]


def wants_csv(route: HttpBinding, headers: Mapping[str, str], alt: str) -> bool:
    """Return whether a list is to be answered as CSV.

    It is if `alt` says so, or if that is empty and `accept` names CSV, and JSON not before it.
    """
    if alt:
        return alt == FORMS[0]
    accepted = [part.partition(";")[0].strip().lower() for part in headers.get("accept", "").split(",")]
    named = next((it for it in accepted if it in {CSV, _JSON}), _JSON)
    return named == CSV and item_of(route) is not None


async def csv_response(
    chain: Chain, route: HttpBinding, call: Call, read: Callable[[], Awaitable[Message]]
) -> Response:
    """Answer a list as CSV. Without a `page_size` it has as many pages as make up to 10,000 rows."""
    item = item_of(route)
    assert item is not None
    columns = columns_of(item)
    asked: list[Message] = []
    is_whole = False

    async def reading() -> Message:
        nonlocal is_whole
        message = await read()
        is_whole = _PAGE_SIZE in message.DESCRIPTOR.fields_by_name and not getattr(message, _PAGE_SIZE)
        if is_whole:
            setattr(message, _PAGE_SIZE, _largest_page(message))
        asked.append(message)
        return message

    async def following() -> Message:
        message = type(asked[0])()
        message.CopyFrom(asked[0])
        setattr(message, _PAGE_TOKEN, token)
        return message

    answer = await chain.invoke(call, reading)
    pieces, size = [csv_of([columns])], 0
    while True:
        items: Sequence[Any] = getattr(answer, route.response_body)
        pieces.append(await asyncio.to_thread(_lines, columns, items))
        size += len(items)
        token: str = getattr(answer, "next_page_token", "")
        if not (token and is_whole and size < MOST_ROWS):
            break
        answer = await chain.invoke(call, following)
    headers = {
        "content-type": f"{CSV}; charset=utf-8; header=present",
        "content-disposition": f'attachment; filename="{_file_name(route)}"',
    }
    if token:
        headers[NEXT_PAGE] = token
    return Response(200, "".join(pieces).encode(), headers)


def _lines(columns: Sequence[str], items: Sequence[Message]) -> str:
    return csv_of(row_of(columns, to_json(item)) for item in items)


def _largest_page(message: Message) -> int:
    field = message.DESCRIPTOR.fields_by_name[_PAGE_SIZE]
    return min(int(field.GetOptions().Extensions[validate_pb2.field].int32.lte), MOST_ROWS)


def _file_name(route: HttpBinding) -> str:
    """Return a name such as `usage-events.csv`."""
    words = [part for part in route.template.split("/") if part and "{" not in part]
    return f"{'-'.join(words[1:])}.csv"
