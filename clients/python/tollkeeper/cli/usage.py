"""`tollkeeper usage`: what passed through the data plane."""

import functools
from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from itertools import islice
from typing import Any, TypedDict, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from tollkeeper.cli.lengths import past
from tollkeeper.cli.options import Words
from tollkeeper.cli.output import Form, Output
from tollkeeper.cli.session import manages
from tollkeeper.client import Client
from tollkeeper.messages.lengths import rfc3339
from tollkeeper.money import CENT_DIGITS, dollars
from tollkeeper.v1 import usage_service_pb2 as pb
from tollkeeper.values.usage import Confidence, UsageEvent, UsageGroup, UsageOrder, UsageRow

_Command = TypeVar("_Command", bound=Callable[..., None])

MAX_PAGE = 1000
NUMBERS: dict[str, Callable[[UsageRow], object]] = {
    "REQUESTS": lambda it: it.requests,
    "FAILED": lambda it: it.failed_requests,
    "ESTIMATED": lambda it: it.estimated_requests,
    "PROMPT": lambda it: it.prompt_tokens,
    "COMPLETION": lambda it: it.completion_tokens,
    "CACHED": lambda it: it.cached_tokens,
    "REASONING": lambda it: it.reasoning_tokens,
    "AUDIO S": lambda it: f"{it.audio_milliseconds / 1000:g}",
    "IMAGES": lambda it: it.images,
    "CHARACTERS": lambda it: it.characters,
    "PAGES": lambda it: it.pages,
    "COST $": lambda it: cost(it.cost_nano_dollars),
    "PRICED": lambda it: it.priced_requests,
}
_Column = Callable[[UsageEvent], object]
_WIDE: dict[str, _Column] = {
    "STARTED": lambda it: it.started_at and rfc3339(it.started_at.replace(microsecond=0)),
    "ENDPOINT": lambda it: it.endpoint,
    "MODEL": lambda it: it.model_served or it.model_asked,
    "UPSTREAM": lambda it: it.upstream,
    "STATUS": lambda it: it.status,
    "ERROR": lambda it: it.error_code,
    "PROMPT": lambda it: it.prompt_tokens,
    "COMPLETION": lambda it: it.completion_tokens,
    "COUNTS": lambda it: it.confidence,
    "COST $": lambda it: cost(it.cost_nano_dollars),
    "MS": lambda it: round(it.duration_microseconds / 1000),
    "TOKEN": lambda it: it.token_id,
    "REQUEST": lambda it: it.request_id,
}
NARROW: dict[str, _Column] = {
    "STARTED": lambda it: it.started_at and f"{it.started_at:%m-%d %H:%M:%S}",
    "ENDPOINT": _WIDE["ENDPOINT"],
    "MODEL": _WIDE["MODEL"],
    "UPSTREAM": _WIDE["UPSTREAM"],
    "STATUS": _WIDE["STATUS"],
    "ERROR": _WIDE["ERROR"],
    "PROMPT": lambda it: _count(it, it.prompt_tokens),
    "COMPLETION": lambda it: _count(it, it.completion_tokens),
    "MS": _WIDE["MS"],
}
_TEXTS = ("ENDPOINT", "MODEL", "UPSTREAM", "ERROR")
_FIELDS: dict[UsageGroup, Callable[[UsageRow], object]] = {
    UsageGroup.PROJECT: lambda it: it.project_name or it.project_id,
    UsageGroup.TOKEN: lambda it: it.token_name or it.token_id,
    UsageGroup.MODEL: lambda it: it.model,
    UsageGroup.UPSTREAM: lambda it: it.upstream,
    UsageGroup.ENDPOINT: lambda it: it.endpoint,
    UsageGroup.STATUS_CLASS: lambda it: it.status_class,
    UsageGroup.ERROR_CODE: lambda it: it.error_code,
}
_TIMES: dict[UsageGroup, str] = {
    UsageGroup.MINUTE: "%Y-%m-%d %H:%M %z",
    UsageGroup.HOUR: "%Y-%m-%d %H:%M %z",
    UsageGroup.DAY: "%Y-%m-%d",
    UsageGroup.WEEK: "%G-W%V",
    UsageGroup.MONTH: "%Y-%m",
}
_PERCENTILES: dict[str, Callable[[UsageRow], object]] = {
    "P50 MS": lambda it: it.duration and round(it.duration.p50_microseconds / 1000),
    "P95 MS": lambda it: it.duration and round(it.duration.p95_microseconds / 1000),
    "P99 MS": lambda it: it.duration and round(it.duration.p99_microseconds / 1000),
    "FIRST P95 MS": lambda it: it.first_byte and round(it.first_byte.p95_microseconds / 1000),
}
_PREVIOUS: dict[str, Callable[[UsageRow], object]] = {
    "BEFORE": lambda it: it.previous and it.previous.requests,
    "CHANGE": lambda it: it.previous and _change(it.requests, it.previous.requests),
}


def cost(nano_dollars: int | None) -> str:
    """Write an amount in dollars, all of it; empty if it is not known."""
    return "" if nano_dollars is None else dollars(nano_dollars, CENT_DIGITS)


def _change(present: int, before: int) -> str:
    return f"{(present - before) / before:+.0%}" if before else ""


def _group_columns(
    group_by: Sequence[UsageGroup], totals: UsageRow, zone: tzinfo
) -> dict[str, Callable[[UsageRow], object]]:
    """Return the columns of groups. The first says which row is a rest, and which has the totals."""

    def column(by: UsageGroup, *, is_first: bool) -> Callable[[UsageRow], object]:
        def cell(row: UsageRow) -> object:
            if row is totals:
                return "total" if is_first else ""
            if by in _TIMES:
                return row.start_time and row.start_time.astimezone(zone).strftime(_TIMES[by])
            return "others" if row.is_rest else _FIELDS[by](row)

        return cell

    return {by.upper(): column(by, is_first=by is group_by[0]) for by in group_by}


def _count(event: UsageEvent, tokens: int) -> str:
    return f"~{tokens}" if event.confidence is Confidence.ESTIMATED else str(tokens)


def groups(text: str) -> tuple[UsageGroup, ...]:
    """Read groups with commas between them. Raises `ValueError`."""
    try:
        return tuple(UsageGroup(it.strip()) for it in text.split(","))
    except ValueError:
        raise ValueError(f"{text!r}: expected some of {', '.join(UsageGroup)}") from None


_SEVERAL = ("project_id", "token_id", "model", "upstream")


class Filters(TypedDict):
    """The options that events, summary and tail share, as the client takes them."""

    project_id: str
    token_id: str
    model: str
    upstream: str
    project_ids: Sequence[str]
    token_ids: Sequence[str]
    models: Sequence[str]
    upstreams: Sequence[str]
    endpoints: Sequence[str]
    error_codes: Sequence[str]
    statuses: Sequence[str]
    streamed: bool | None


class _Filters(Filters):
    """The options that events and summary share, as the client takes them."""

    start_time: datetime | None
    end_time: datetime | None


def _several(name: str, *more: str, of: str, metavar: str) -> Callable[[_Command], _Command]:
    return click.option(
        f"--{name}",
        *more,
        name.replace("-", "_"),
        metavar=metavar,
        multiple=True,
        help=f"Leave out other {of}; of several each is let through.",
    )


def filters(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that events, summary and tail share, and give them to the command as one argument."""

    @functools.wraps(command)
    def run(client: Client, output: Output, **options: Any) -> None:  # click gives them by name
        several: dict[str, tuple[str, ...]] = {name: options.pop(name) for name in _SEVERAL}
        # A gateway of an earlier release knows one value of these.
        one = {name: values[0] if len(values) == 1 else "" for name, values in several.items()}
        more = {name: values[1:] and values for name, values in several.items()}
        given = Filters(
            project_id=one["project_id"],
            token_id=one["token_id"],
            model=one["model"],
            upstream=one["upstream"],
            project_ids=more["project_id"],
            token_ids=more["token_id"],
            models=more["model"],
            upstreams=more["upstream"],
            endpoints=options.pop("endpoint"),
            error_codes=options.pop("error_code"),
            statuses=options.pop("status"),
            streamed=options.pop("streamed"),
        )
        command(client, output, given, **options)

    for option in reversed(
        (
            _several("project-id", "--project", of="projects", metavar="ID"),
            _several("token-id", "--token", of="tokens", metavar="ID"),
            _several("model", of="models", metavar="NAME"),
            _several("upstream", of="upstreams", metavar="NAME"),
            _several("endpoint", of="endpoints, such as chat_completions", metavar="NAME"),
            _several("error-code", of="errors", metavar="CODE"),
            _several("status", of="statuses; 5xx is a class of them", metavar="STATUS"),
            click.option("--streamed/--not-streamed", default=None, help="Leave out other answers."),
        )
    ):
        run = option(run)
    return run


def _period_filters(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that events and summary share, and give the filters to the command as one argument."""

    @functools.wraps(command)
    def run(
        client: Client, output: Output, given: Filters, **options: Any
    ) -> None:  # click gives them by name
        period = _Filters(**given, start_time=options.pop("since"), end_time=options.pop("until"))
        command(client, output, period, **options)

    for option in reversed(
        (
            click.option("--since", type=past, metavar="TIME", help="From 24h ago, or 2026-03-01T12:00Z."),
            click.option("--until", type=past, metavar="TIME", help="Before then."),
            click.option(
                "--format",
                "form",
                type=Words(Form),
                help="How to print it.  [default: table]",
            ),
        )
    ):
        run = option(run)
    return filters(run)


def zone_named(name: str) -> ZoneInfo:
    """Return the time zone of that IANA name. Raises `click.BadParameter`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise click.BadParameter(
            f"{name!r} is no time zone that is known here, such as Europe/Berlin"
        ) from None


@click.group(no_args_is_help=True)
def usage() -> None:
    """Read what passed through the gateway: one event a request, and sums of them.

    \b
    Examples:
      tollkeeper usage summary --group-by model --since 7d
      tollkeeper usage events --token-id tok_… --limit 20
      tollkeeper usage tail --model gpt-4o
    """


@usage.command()
@click.option("--request-id", metavar="ID", default="", help="What a caller was answered as x-request-id.")
@click.option(
    "--limit", type=click.IntRange(min=0), default=100, show_default=True, help="The most events; 0 is all."
)
@click.option(
    "--wide", is_flag=True, help="Show everything, tokens' and requests' ids too, however wide it is."
)
@manages
@_period_filters
def events(
    client: Client,
    output: Output,
    filters: _Filters,
    form: Form | None,
    request_id: str,
    limit: int,
    wide: bool,
) -> None:
    """List usage events, newest first, in 100 columns. Times are UTC; ~ stands before estimated counts.

    \b
    Examples:
      tollkeeper usage events --since 1h --status 5xx
      tollkeeper usage events --token-id tok_… --wide
      tollkeeper usage events --since 30d --limit 0 --format csv
      tollkeeper usage events --request-id req_… --json
    """
    found = client.usage.events(
        **filters, request_id=request_id, page_size=min(limit + 1, MAX_PAGE) if limit else MAX_PAGE
    )
    shown = islice(found, limit) if limit else found
    output.in_form(form).items(
        shown,
        _WIDE if wide else NARROW,
        none="no events",
        right=("STATUS", "PROMPT", "COMPLETION", "COST $", "MS"),
        shortened=() if wide else _TEXTS,
        message=pb.UsageEvent.DESCRIPTOR,
    )
    if limit and next(found, None) is not None:
        output.note(f"There are more than {limit}: see --limit.")


@usage.command()
@click.argument("event_id")
@manages
def get(client: Client, output: Output, event_id: str) -> None:
    """Show one usage event, with its attempts.

    \b
    Examples:
      tollkeeper usage get req_…
    """
    output.item(client.usage.get(event_id))


@usage.command()
@click.option(
    "--group-by",
    "grouping",
    type=groups,
    metavar="GROUP[,GROUP...]",
    multiple=True,
    help=f"Up to four of {', '.join(UsageGroup)}. One sum of everything if not given.",
)
@click.option(
    "--time-zone",
    "zone",
    metavar="NAME",
    default="UTC",
    show_default=True,
    type=zone_named,
    help="Where days, weeks, months and hours begin, such as Europe/Berlin.",
)
@click.option("--order-by", type=Words(UsageOrder), help="What to order rows by, the largest first.")
@click.option(
    "--top",
    type=click.IntRange(0, 100),
    default=0,
    metavar="NUMBER",
    help="So many of the largest groups, and the others as one.",
)
@click.option("--compare-previous", is_flag=True, help="Compare with the time before, which is as long.")
@click.option("--percentiles", is_flag=True, help="Show percentiles of the times that answers took.")
@manages
@_period_filters
def summary(
    client: Client,
    output: Output,
    filters: _Filters,
    form: Form | None,
    grouping: tuple[tuple[UsageGroup, ...], ...],
    zone: ZoneInfo,
    order_by: UsageOrder | None,
    top: int,
    compare_previous: bool,
    percentiles: bool,
) -> None:
    """Sum usage events. Tables have the totals last.

    \b
    Examples:
      tollkeeper usage summary --group-by project,model --since 2026-03-01
      tollkeeper usage summary --group-by day --since 30d --time-zone Europe/Berlin --format csv
      tollkeeper usage summary --group-by model --top 5 --since 7d --compare-previous
      tollkeeper usage summary --group-by upstream --since 24h --percentiles --json
    """
    group_by = [group for some in grouping for group in some]
    for option, is_given in (
        ("--compare-previous", compare_previous),
        ("--percentiles", percentiles),
        (f"--group-by {UsageGroup.MINUTE}", UsageGroup.MINUTE in group_by),
    ):
        if is_given and filters["start_time"] is None:
            raise click.UsageError(f"--since must be given with {option}")
    found = client.usage.summary(
        **filters,
        group_by=group_by,
        time_zone="" if zone.key == "UTC" else zone.key,
        order_by=order_by,
        top=top,
        compare_previous=compare_previous,
        percentiles=percentiles,
    )
    printed = output.in_form(form)
    numbers = NUMBERS | (_PREVIOUS if compare_previous else {}) | (_PERCENTILES if percentiles else {})
    with_totals = bool(group_by and found.rows) and not (printed.as_json or printed.as_csv)
    printed.items(
        (*found.rows, found.totals) if with_totals else found.rows,
        _group_columns(group_by, found.totals, zone) | numbers,
        none="no usage",
        right=tuple(numbers),
        message=pb.UsageRow.DESCRIPTOR,
    )
    if found.truncated:
        output.note(
            f"There are more rows than these {len(found)}: choose a shorter time, fewer groups, or --top."
        )
