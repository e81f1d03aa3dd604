"""Lists of messages as CSV (RFC 4180), for spreadsheets."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from google.protobuf.descriptor import Descriptor

_WELL_KNOWN = "google.protobuf."
# A cell that begins so is a formula to a spreadsheet, or becomes one when it is opened again.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def columns_of(message: Descriptor) -> tuple[str, ...]:
    """Return the columns of a message: its fields, those of one in it as `duration.p50_microseconds`."""
    return tuple(_columns(message, "", ()))


def csv_of(rows: Iterable[Sequence[object]]) -> str:
    """Return lines of CSV. What a spreadsheet would take for a formula has an apostrophe before it."""
    lines = io.StringIO()
    csv.writer(lines).writerows([_cell(value) for value in row] for row in rows)
    return lines.getvalue()


def row_of(columns: Sequence[str], content: Mapping[str, object]) -> list[object]:
    """Return the values of the columns in JSON that stands for a message."""
    return [_value(content, column) for column in columns]


def _columns(message: Descriptor, start: str, outer: tuple[str, ...]) -> Iterator[str]:
    for field in message.fields:
        inner = None if field.is_repeated else field.message_type
        if inner is not None and not inner.full_name.startswith((_WELL_KNOWN, *outer)):
            yield from _columns(inner, f"{start}{field.name}.", (*outer, inner.full_name))
        else:
            yield start + field.name


def _value(content: Mapping[str, object], column: str) -> object:
    value: object = content
    for name in column.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULAS) else value
    if isinstance(value, list) and not value:
        return ""
    return json.dumps(value, ensure_ascii=False)
