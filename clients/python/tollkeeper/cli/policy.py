"""The options that say how the members of a group, or the deployments of a model, are called."""

from typing import Any

import click

from tollkeeper.cli.lengths import parse_length
from tollkeeper.cli.options import Words, options
from tollkeeper.values.traffic import Strategy

NO_RETRY = ("policy__retry", None)
"""The field that `--no-retry` removes."""


def _length(name: str, field: str, description: str) -> Any:
    return click.option(name, f"policy__{field}", type=parse_length, metavar="LENGTH", help=description)


policy_options = options(
    click.option("--strategy", "policy__strategy", type=Words(Strategy), help="How the next one is chosen."),
    click.option("--user-agent", "policy__user_agent", metavar="TEXT", help="Sent instead of the caller's."),
    _length("--keep-alive", "keep_alive", "The silence after which TCP probes a connection."),
    _length("--connect-timeout", "timeouts__connect", "To open a connection, instead of the upstream's."),
    _length("--request-timeout", "timeouts__request", "To the end of an answer that is not streamed."),
    _length("--idle-timeout", "timeouts__idle", "The longest silence within an answer."),
    click.option(
        "--retries",
        "policy__retry__attempts",
        type=click.IntRange(0, 100),
        metavar="N",
        help="Attempts after the first.",
    ),
    _length("--retry-initial", "retry__initial", "The first wait, which doubles each round."),
    _length("--retry-max", "retry__max", "The longest wait."),
    _length("--retry-total", "retry__total", "Begin no attempt later than this after the request came."),
    click.option(
        "--retry-safe-only/--retry-any",
        "policy__retry__only_safe",
        default=None,
        help="Repeat only what no upstream may have acted on.",
    ),
    click.option(
        "--retry-budget",
        "policy__retry__budget_percent",
        type=click.IntRange(1, 100),
        metavar="PERCENT",
        help="The most that attempts after the first may be of recent requests.",
    ),
    click.option("--no-retry", is_flag=True, default=None, help="Leave it at one attempt with each member."),
    click.option(
        "--session-header",
        "policy__session_header",
        metavar="NAME",
        help="A request header whose value pins a caller to a member.",
    ),
)
