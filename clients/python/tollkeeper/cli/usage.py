"""`tollkeeper usage`: what passed through the data plane."""

from collections.abc import Callable
from datetime import datetime
from itertools import islice
from typing import ParamSpec

import click

from tollkeeper.cli.lengths import past
from tollkeeper.cli.output import Output
from tollkeeper.cli.session import manages
from tollkeeper.client import Client
from tollkeeper.messages.lengths import rfc3339
from tollkeeper.values import Confidence, UsageEvent, UsageGroup, UsageRow

P = ParamSpec("P")

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
    "MS": lambda it: round(it.duration_microseconds / 1000),
    "TOKEN": lambda it: it.token_id,
    "REQUEST": lambda it: it.request_id,
}
_NARROW: dict[str, _Column] = {
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
GROUPS: dict[UsageGroup, Callable[[UsageRow], object]] = {
    UsageGroup.PROJECT: lambda it: it.project_id,
    UsageGroup.TOKEN: lambda it: it.token_id,
    UsageGroup.MODEL: lambda it: it.model,
    UsageGroup.UPSTREAM: lambda it: it.upstream,
    UsageGroup.DAY: lambda it: it.start_time and it.start_time.date().isoformat(),
    UsageGroup.HOUR: lambda it: it.start_time and rfc3339(it.start_time),
}


def _count(event: UsageEvent, tokens: int) -> str:
    return f"~{tokens}" if event.confidence is Confidence.ESTIMATED else str(tokens)


def groups(text: str) -> tuple[UsageGroup, ...]:
    """Read groups with commas between them. Raises `ValueError`."""
    try:
        return tuple(UsageGroup(it.strip()) for it in text.split(","))
    except ValueError:
        raise ValueError(f"{text!r}: expected some of {', '.join(UsageGroup)}") from None


def _filters(command: Callable[P, None]) -> Callable[P, None]:
    """Add the options that events and summary share."""
    for option in reversed(
        (
            click.option(
                "--project-id",
                "--project",
                "project_id",
                metavar="ID",
                default="",
                help="Leave out other projects.",
            ),
            click.option(
                "--token-id", "--token", "token_id", metavar="ID", default="", help="Leave out other tokens."
            ),
            click.option("--model", metavar="NAME", default="", help="Leave out other models."),
            click.option("--upstream", metavar="NAME", default="", help="Leave out other upstreams."),
            click.option("--since", type=past, metavar="TIME", help="From 24h ago, or 2026-03-01T12:00Z."),
            click.option("--until", type=past, metavar="TIME", help="Before then."),
        )
    ):
        command = option(command)
    return command


@click.group(no_args_is_help=True)
def usage() -> None:
    """Read what passed through the gateway: one event a request, and sums of them.

    \b
    Examples:
      tollkeeper usage summary --group-by model --since 7d
      tollkeeper usage events --token-id tok_… --limit 20
    """


@usage.command()
@_filters
@click.option("--request-id", metavar="ID", default="", help="What a caller was answered as x-request-id.")
@click.option(
    "--limit", type=click.IntRange(min=0), default=100, show_default=True, help="The most events; 0 is all."
)
@click.option(
    "--wide", is_flag=True, help="Show everything, tokens' and requests' ids too, however wide it is."
)
@manages
def events(
    client: Client,
    output: Output,
    project_id: str,
    token_id: str,
    model: str,
    upstream: str,
    since: datetime | None,
    until: datetime | None,
    request_id: str,
    limit: int,
    wide: bool,
) -> None:
    """List usage events, newest first, in 100 columns. Times are UTC; ~ stands before estimated counts.

    \b
    Examples:
      tollkeeper usage events --since 1h
      tollkeeper usage events --token-id tok_… --wide
      tollkeeper usage events --request-id req_… --json
    """
    found = client.usage.events(
        project_id=project_id,
        token_id=token_id,
        model=model,
        upstream=upstream,
        request_id=request_id,
        start_time=since,
        end_time=until,
        page_size=min(limit + 1, MAX_PAGE) if limit else MAX_PAGE,
    )
    shown: list[UsageEvent] = list(islice(found, limit)) if limit else list(found)
    output.items(
        shown,
        _WIDE if wide else _NARROW,
        none="no events",
        right=("STATUS", "PROMPT", "COMPLETION", "MS"),
        shortened=() if wide else _TEXTS,
    )
    if limit and next(found, None) is not None:
        output.note(f"There are more than {limit}: see --limit.")


@usage.command()
@click.option(
    "--group-by",
    "grouping",
    type=groups,
    metavar="GROUP[,GROUP...]",
    multiple=True,
    help=f"Up to four of {', '.join(UsageGroup)}. One sum of everything if not given.",
)
@_filters
@manages
def summary(
    client: Client,
    output: Output,
    grouping: tuple[tuple[UsageGroup, ...], ...],
    project_id: str,
    token_id: str,
    model: str,
    upstream: str,
    since: datetime | None,
    until: datetime | None,
) -> None:
    """Sum usage events.

    \b
    Examples:
      tollkeeper usage summary --group-by project,model --since 2026-03-01
      tollkeeper usage summary --group-by day --since 30d --json
    """
    group_by = [group for some in grouping for group in some]
    output.items(
        client.usage.summary(
            group_by=group_by,
            project_id=project_id,
            token_id=token_id,
            model=model,
            upstream=upstream,
            start_time=since,
            end_time=until,
        ),
        {group.upper(): GROUPS[group] for group in group_by} | NUMBERS,
        none="no usage",
        right=tuple(NUMBERS),
    )
