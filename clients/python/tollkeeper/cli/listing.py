"""The options and the output of commands that list things."""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import Any, TypeVar

import click

from tollkeeper.cli.options import options
from tollkeeper.cli.output import Output
from tollkeeper.methods import Items

T = TypeVar("T")

_PAGE = 1000
_COUNTED = 10_000  # where the gateway ends to count


def label(text: str) -> tuple[str, str]:
    """Read `NAME=VALUE`. Raises `ValueError`."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ValueError(f"{text!r} is not a label; expected NAME=VALUE")
    return name, value


def label_option(description: str) -> Callable[[Any], Any]:
    """Return the option for labels, which gives them as `labels`, None if there are none."""
    return click.option(
        "--label",
        "labels",
        type=label,
        metavar="NAME=VALUE",
        multiple=True,
        callback=lambda _context, _option, pairs: _labels(pairs),
        help=description,
    )


def _labels(pairs: Sequence[tuple[str, str]]) -> Mapping[str, str] | None:
    # Not a dict: one would be the parts of a field (`options.settings_of`).
    return MappingProxyType(dict(pairs)) if pairs else None


def list_options(searched: str, orders: str) -> Callable[[Any], Any]:
    """Give a command the options of every list; `searched` and `orders` are for its help."""
    return options(
        click.option("--search", metavar="TEXT", default="", help=f"Only those that have it in {searched}."),
        click.option(
            "--sort",
            "order_by",
            metavar="ORDER",
            default="",
            help=f"Sort by {orders}; 'ORDER desc' is the reverse.",
        ),
        click.option(
            "--limit", type=click.IntRange(min=1), metavar="N", help="Print N at the most; all if not given."
        ),
        click.option(
            "--total",
            "with_total",
            is_flag=True,
            help="Also tell how many there are, on stderr, up to 10000.",
        ),
    )


activity_option = click.option(
    "--active/--inactive", "is_active", default=None, help="Only those that are active, or are not."
)


def asked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what to list with, given the options of a command."""
    query = {name: value for name, value in given.items() if name != "limit" and value is not None}
    return {**query, "page_size": min(given["limit"] or _PAGE, _PAGE)}


def show_list(
    output: Output,
    found: Items[T],
    columns: Mapping[str, Callable[[T], object]],
    *,
    kind: str,
    limit: int | None,
    right: Sequence[str] = (),
) -> None:
    """Print up to `limit` items of a list of `kind`, and how many there are if that was asked for."""
    items = list(islice(found, limit))
    output.items(items, columns, none=f"no {kind}", right=right)
    if found.total_size is not None:
        more = " or more" if found.total_size >= _COUNTED else ""
        output.note(f"{len(items)} of {found.total_size}{more} {kind}")
