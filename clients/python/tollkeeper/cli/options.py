"""Options named after the fields that they give: `policy__retry__max` is `max` of the `retry` of a `policy`.

So a command passes them on by name.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any, ParamSpec, Protocol

import click

from tollkeeper.values.traffic import Breaker, Probe, Retry, TrafficPolicy
from tollkeeper.values.upstream import Timeouts

P = ParamSpec("P")
Decorator = Callable[[Callable[P, None]], Callable[P, None]]

_WITHIN = "__"
_EMPTY: dict[str, Callable[..., Any]] = {
    "timeouts": Timeouts,
    "breaker": Breaker,
    "probe": Probe,
    "policy": TrafficPolicy,
    "retry": Retry,
}


VALIDATE_ONLY = "validate_only"
"""The name of the option by which a command checks, and changes nothing."""

validate_option = click.option(
    "--validate-only",
    VALIDATE_ONLY,
    is_flag=True,
    help="Check it all and tell what would be; change nothing.",
)


class Words(click.Choice[StrEnum]):
    """The type of an option whose value is a word of an enum, but for UNKNOWN."""

    def __init__(self, words: Iterable[StrEnum]) -> None:
        super().__init__([it for it in words if it.name != "UNKNOWN"])

    def normalize_choice(self, choice: object, ctx: click.Context | None) -> str:  # noqa: ARG002 - click's signature
        """Return a word as it is typed."""
        return str(choice)


class Entity(Protocol):
    """An entity that an update changes."""

    @property
    def etag(self) -> str: ...


def options(*several: Callable[[Any], Any]) -> Decorator[P]:
    """Give a command several options, in their order."""

    def decorate(command: Callable[P, None]) -> Callable[P, None]:
        for option in reversed(several):
            command = option(command)
        return command

    return decorate


def settings_of(given: Mapping[str, Any], **removals: tuple[str, object]) -> dict[str, Any]:
    """Return the fields that options give, with what a flag of `removals` takes away in its field's place.

    Fields within another field are in a mapping of their own. Raises `click.UsageError` for an option that is
    given with the flag that takes its field away.
    """
    found = {name: value for name, value in given.items() if value is not None and value != ()}
    for flag, (field, nothing) in removals.items():
        if found.pop(flag, None):
            for name in found:
                if name == field or name.startswith(field + _WITHIN):
                    raise click.UsageError(f"give {_spelled(name)} or {_spelled(flag)}, not both")
            found[field] = nothing
    settings: dict[str, Any] = {}
    for name, value in found.items():
        *parents, last = name.split(_WITHIN)
        within = settings
        for parent in parents:
            within = within.setdefault(parent, {})
        within[last] = value
    return settings


def whole(settings: Mapping[str, Any], present: Entity | None = None) -> dict[str, Any]:
    """Return the settings with whole values in the place of parts; the rest of them is as at present.

    Raises `click.UsageError` for a part of a probe that is not there.
    """
    return {
        name: _whole(name, part, getattr(present, name, None)) if isinstance(part, dict) else part
        for name, part in settings.items()
    }


def _whole(name: str, parts: Mapping[str, Any], present: Any) -> object:
    if present is None:
        if name == "probe" and "path" not in parts:
            raise click.UsageError("there is no probe yet: give --probe, too")
        present = _EMPTY[name](**{key: it for key, it in parts.items() if not isinstance(it, dict)})
    return replace(present, **whole(parts, present))


def to_update(settings: Mapping[str, Any], etag: str, read: Callable[[], Entity]) -> dict[str, Any]:
    """Return what to update with, the etag included.

    The gateway replaces values as a whole: of one of which parts are given, the rest is kept, unless somebody
    changes it meanwhile. Raises `click.UsageError` if nothing is given.
    """
    if not settings:
        raise click.UsageError("nothing to change: give at least one of the options that --help lists")
    if not any(isinstance(it, dict) for it in settings.values()):
        return {**settings, "etag": etag}
    present = read()
    return {**whole(settings, present), "etag": etag or present.etag}


def _spelled(name: str) -> str:
    """Return how an option of the current command is typed."""
    command = click.get_current_context().command
    return next(it.opts[0] for it in command.params if it.name == name)
