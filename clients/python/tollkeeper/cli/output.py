"""The output of commands: tables and details for people, JSON for programs."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeVar

import click
from google.protobuf.descriptor import Descriptor
from tabulate import tabulate

from tollkeeper.cli.lengths import relative
from tollkeeper.messages.lengths import rfc3339, seconds
from tollkeeper.messages.problems import plain
from tollkeeper.messages.sheets import columns_of, csv_of, row_of

T = TypeVar("T")
_MAX_WIDTH, _MIN_WIDTH, _GAP = 100, 8, 2  # columns: of a table, of one that is shortened, between two
Json = str | int | float | bool | None | Mapping[str, "Json"] | Sequence["Json"]


class Form(StrEnum):
    """How a list is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@dataclasses.dataclass(frozen=True, slots=True)
class Output:
    """Prints the results of one command, on stdout; notes for people alone go to stderr."""

    as_json: bool
    as_csv: bool = False

    def in_form(self, form: Form | None) -> "Output":
        """Return an output of that form, this one for None."""
        return self if form is None else Output(form is Form.JSON, as_csv=form is Form.CSV)

    def item(self, value: object) -> None:
        """Print one value, a dataclass: a line for each field."""
        if self.as_json:
            return print_json(to_json(value))
        now = datetime.now(UTC)
        lines = [(name, _cell(part, now)) for name, part in _fields(value)]
        return _print_rows(lines, (), ())

    def items(
        self,
        values: Iterable[T],
        columns: Mapping[str, Callable[[T], object]],
        *,
        none: str,
        right: Sequence[str] = (),
        shortened: Sequence[str] = (),
        message: Descriptor | None = None,
    ) -> None:
        """Print a list: a table with those columns, the ones in `right` aligned there.

        Those in `shortened` are cut, down to 8 characters, until the table fits 100 columns. Of an empty
        list, people are told `none`. CSV has the columns of `message`, and is printed as the values come.
        """
        if self.as_csv and message is not None:
            return print_csv(values, message)
        rows = list(values)
        if self.as_json:
            return print_json([to_json(it) for it in rows])
        if not rows:
            return self.note(none)
        now = datetime.now(UTC)
        cells = [[_cell(read(it), now, short=True) for read in columns.values()] for it in rows]
        cells = _fitted(cells, tuple(columns), shortened)
        return _print_rows(cells, tuple(columns), right)

    def done(self, message: str) -> None:
        """Say that a command has done its work, where there is nothing else to show."""
        if self.as_json:
            print_json({})
        else:
            click.echo(message)

    def note(self, message: str) -> None:
        """Tell people something that is not part of the result."""
        click.echo(message, err=True)


def to_json(value: object) -> Json:
    """Return a result as JSON.

    Names are snake_case, enums short words, times RFC 3339 UTC, lengths of time seconds such as
    `"0.5s"`, unset ones null. Raises `TypeError` for a value that is not a result.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, timedelta):
        return seconds(value)
    if isinstance(value, tuple | list):
        return [to_json(it) for it in value]
    parts = value.items() if isinstance(value, dict) else _fields(value)
    return {name: to_json(part) for name, part in parts}


def print_json(document: Json) -> None:
    """Print one JSON document, in ASCII, which no terminal or locale misreads."""
    click.echo(json.dumps(document, indent=2))


def print_csv(values: Iterable[object], message: Descriptor) -> None:
    """Print values that stand for messages as CSV, a line each, after one with the names of their fields."""
    columns = columns_of(message)
    click.echo(csv_of([columns]), nl=False)
    for value in values:
        content = to_json(value)
        assert isinstance(content, Mapping)
        click.echo(csv_of([row_of(columns, content)]), nl=False)


def _fields(value: object) -> list[tuple[str, object]]:
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        raise TypeError(f"{type(value).__name__} is not a result")
    return [(it.name, getattr(value, it.name)) for it in dataclasses.fields(value)]


def _cell(value: object, now: datetime, *, short: bool = False) -> str:
    if value is None or value in ("", (), {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, datetime):
        whole = rfc3339(value.replace(microsecond=0))
        return relative(value, now) if short else f"{whole} ({relative(value, now)})"
    if isinstance(value, timedelta):
        return seconds(value)
    if isinstance(value, dict):
        return ",".join(plain(f"{name}={part}") for name, part in value.items())
    if isinstance(value, tuple):
        return ",".join(_cell(it, now, short=short) for it in value)
    if dataclasses.is_dataclass(value) and type(value).__str__ is object.__str__:
        cells = [(name, _cell(part, now), dataclasses.is_dataclass(part)) for name, part in _fields(value)]
        shown = [(name, f"({cell})" if within else cell) for name, cell, within in cells if cell != "-"]
        return ",".join(f"{name}={cell}" for name, cell in shown) or "-"
    return plain(str(value))


def _fitted(rows: list[list[str]], headers: Sequence[str], shortened: Sequence[str]) -> list[list[str]]:
    """Return the rows with the widest of the columns that may be shortened cut until a line fits."""
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    places = [place for place, header in enumerate(headers) if header in shortened]
    surplus = sum(widths) + _GAP * (len(widths) - 1) - _MAX_WIDTH
    while surplus > 0 and places:
        widest = max(places, key=widths.__getitem__)
        if widths[widest] <= _MIN_WIDTH:
            break
        widths[widest] -= 1
        surplus -= 1
    return [
        [
            cell if len(cell) <= width else f"{cell[: width - 1]}…"
            for cell, width in zip(row, widths, strict=True)
        ]
        for row in rows
    ]


def _print_rows(rows: Sequence[Sequence[str]], headers: Sequence[str], right: Sequence[str]) -> None:
    # Numbers are aligned by column, not by look: a model may be called 1e5. The headers are a row like the
    # others, since tabulate gives a column two blanks beyond its header.
    table = tabulate(
        [headers, *rows] if headers else rows,
        tablefmt="plain",
        disable_numparse=True,
        preserve_whitespace=True,
        colalign=["right" if it in right else "left" for it in headers] or None,
    )
    click.echo("\n".join(line.rstrip() for line in table.splitlines()))
