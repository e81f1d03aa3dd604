"""`tollkeeper usage tail`: usage events as they are stored."""

import contextlib
import json
from collections.abc import Mapping

import click

from tollkeeper.cli.output import Output, to_json
from tollkeeper.cli.session import manages
from tollkeeper.cli.usage import NARROW, Filters, filters
from tollkeeper.client import Client
from tollkeeper.messages.problems import plain
from tollkeeper.values.usage import UsageEvent

# The columns with their widths, those of numbers aligned to the right.
_WIDTHS = {"STARTED": 14, "ENDPOINT": 16, "MODEL": 24, "UPSTREAM": 14}
_NUMBERS = {"STATUS": 6, "PROMPT": 7, "COMPLETION": 10, "MS": 7}


@click.command()
@click.option("--request-id", metavar="ID", default="", help="What a caller was answered as x-request-id.")
@click.option("--after-id", metavar="ID", default="", help="Begin behind this event, not with the next one.")
@manages
@filters
def tail(
    client: Client,
    output: Output,
    given: Filters,
    request_id: str,
    after_id: str,
) -> None:
    """Show usage events as they are stored, by any process, until interrupted. Times are UTC.

    An event whose counts become surer later is shown again, with = before it. With --json there is a line for
    each event, and one that comes again stands for the earlier one of its id. A connection that is lost is
    made again, and no event is missed meanwhile.

    \b
    Examples:
      tollkeeper usage tail --project-id prj_…
      tollkeeper usage tail --status 429 --status 5xx
      tollkeeper usage tail --model gpt-4o --json
    """
    if not output.as_json:
        click.echo(_line({name: name for name in (*_WIDTHS, *_NUMBERS)}))
    with contextlib.suppress(KeyboardInterrupt):
        for news in client.usage.watch(**given, request_id=request_id, after_id=after_id):
            if news.dropped:
                output.note(f"{news.dropped:,} events were left out: they come faster than they are shown.")
            for mark, shown in ((" ", news.events), ("=", news.amended)):
                for event in shown:
                    click.echo(json.dumps(to_json(event)) if output.as_json else _line(_cells(event), mark))


def _cells(event: UsageEvent) -> dict[str, str]:
    values = {name: NARROW[name](event) for name in (*_WIDTHS, *_NUMBERS)}
    return {name: "-" if value in (None, "") else plain(str(value)) for name, value in values.items()}


def _line(cells: Mapping[str, str], mark: str = " ") -> str:
    """Return a line of the table, its cells cut to their widths."""
    texts = [_cut(cells[name], width).ljust(width) for name, width in _WIDTHS.items()]
    numbers = [_cut(cells[name], width).rjust(width) for name, width in _NUMBERS.items()]
    return f"{mark} {'  '.join((*texts, *numbers))}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
