"""The options that say how the members of a group, or the deployments of a model, are called."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ParamSpec

import click

from tollkeeper.cli.lengths import seconds
from tollkeeper.traffic import Retry, Strategy, TrafficPolicy

P = ParamSpec("P")

_GIVEN = "tollkeeper.policy"
_STRATEGIES = click.Choice([it.value for it in Strategy if it is not Strategy.UNKNOWN])


def _keep(context: click.Context, parameter: click.Parameter, value: object) -> None:
    if value is not None:
        context.meta.setdefault(_GIVEN, {})[parameter.name] = value


def _option(name: str, description: str, **kind: Any) -> Callable[[Callable[P, None]], Callable[P, None]]:
    return click.option(name, help=description, expose_value=False, callback=_keep, **kind)


def _length(name: str, description: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    return _option(name, description, type=seconds, metavar="LENGTH")


def policy_options(command: Callable[P, None]) -> Callable[P, None]:
    """Gives a command the options that `changed_policy` reads."""
    for option in reversed(
        (
            _option("--strategy", "How the next one is chosen.", type=_STRATEGIES),
            _option("--user-agent", "Sent instead of the caller's.", metavar="TEXT"),
            _length("--keep-alive", "The silence after which TCP probes a connection."),
            _length("--connect-timeout", "To open a connection, instead of the upstream's."),
            _length("--request-timeout", "To the end of an answer that is not streamed."),
            _length("--idle-timeout", "The longest silence within an answer."),
            _option("--retries", "Attempts after the first.", type=click.IntRange(0, 100), metavar="N"),
            _length("--retry-initial", "The first wait, which doubles each round."),
            _length("--retry-max", "The longest wait."),
            _length("--retry-total", "Begin no attempt later than this after the request came."),
            _option(
                "--retry-safe-only/--retry-any",
                "Repeat only what no upstream may have acted on.",
                default=None,
            ),
            _option(
                "--retry-budget",
                "The most that attempts after the first may be of recent requests.",
                type=click.IntRange(1, 100),
                metavar="PERCENT",
            ),
            _option("--no-retry", "Leave it at one attempt with each member.", is_flag=True, default=None),
            _option(
                "--session-header", "A request header whose value pins a caller to a member.", metavar="NAME"
            ),
        )
    ):
        command = option(command)
    return command


def changes_policy() -> bool:
    """Tells whether the current command was given any of the options."""
    return bool(_given())


def changed_policy(present: TrafficPolicy) -> TrafficPolicy | None:
    """Returns what a policy becomes by the options of the current command, or None if there are none.

    Raises `click.UsageError` for options that exclude each other.
    """
    given = dict(_given())
    if not given:
        return None
    no_retry = given.pop("no_retry", False)
    retry = {
        "attempts" if name == "retries" else name.removeprefix("retry_").replace("safe_only", "only_safe"): (
            given.pop(name)
        )
        for name in list(given)
        if name.startswith("retr")
    }
    timeouts = {
        name.removesuffix("_timeout"): given.pop(name) for name in list(given) if name.endswith("_timeout")
    }
    if "budget" in retry:
        retry["budget_percent"] = retry.pop("budget")
    if no_retry and retry:
        raise click.UsageError("give --no-retry or other options of retries, not both")
    if "strategy" in given:
        given["strategy"] = Strategy(given["strategy"])
    changed = replace(present, **given)
    if timeouts:
        changed = replace(changed, timeouts=replace(present.timeouts, **timeouts))
    if no_retry:
        changed = replace(changed, retry=None)
    if retry:
        changed = replace(changed, retry=replace(present.retry or Retry(), **retry))
    return changed


def _given() -> dict[str, Any]:  # what click read, by the options' names
    given: dict[str, Any] = click.get_current_context().meta.get(_GIVEN, {})
    return given
