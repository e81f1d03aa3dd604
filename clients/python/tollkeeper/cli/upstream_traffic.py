"""The options that say how an upstream is called, and when it is left alone."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ParamSpec

import click

from tollkeeper.cli.lengths import seconds
from tollkeeper.cli.session import read_secret
from tollkeeper.traffic import Breaker, HeaderAction, HeaderOperation, Probe, Removal
from tollkeeper.values import Upstream

P = ParamSpec("P")

_GIVEN = "tollkeeper.upstream"
_ACTIONS = {it.value: it for it in HeaderAction if it is not HeaderAction.UNKNOWN}


def operation(text: str) -> HeaderOperation:
    """Reads `insert:NAME:VALUE`, `replace:NAME:VALUE` or `remove:NAME`. Raises `ValueError`."""
    word, _, rest = text.partition(":")
    name, _, value = rest.partition(":")
    action = _ACTIONS.get(word)
    if action is None or not name or (action is HeaderAction.REMOVE) == bool(value):
        raise ValueError(
            f"{text!r} is not a change of a header; expected insert:NAME:VALUE, replace:NAME:VALUE or "
            "remove:NAME"
        )
    return HeaderOperation(action, name, value)


def _keep(context: click.Context, parameter: click.Parameter, value: object) -> None:
    if value not in (None, ()):
        context.meta.setdefault(_GIVEN, {})[parameter.name] = value


def _option(*names: str, **kind: Any) -> Callable[[Callable[P, None]], Callable[P, None]]:
    return click.option(*names, expose_value=False, callback=_keep, **kind)


_SETTINGS = (
    _option(
        "--header",
        "headers",
        type=operation,
        metavar="insert:NAME:VALUE",
        multiple=True,
        help="A change to requests' headers: insert, replace, or remove:NAME; repeat for more, in order.",
    ),
    _option(
        "--breaker-threshold",
        type=click.FloatRange(0.01, 1),
        metavar="SHARE",
        help="The share of failed calls, 0.01 to 1, upon which it is left alone.",
    ),
    _option(
        "--breaker-cooldown", type=seconds, metavar="LENGTH", help="Until one call at a time tries it again."
    ),
    _option("--breaker-window", type=seconds, metavar="LENGTH", help="How long ago calls count."),
    _option(
        "--breaker-min-calls", type=click.IntRange(1), metavar="N", help="As many must count before it is."
    ),
    _option("--probe", metavar="PATH", help="Ask it how it is, at this path below its base URL."),
    _option("--probe-interval", type=seconds, metavar="LENGTH", help="How often."),
    _option("--probe-timeout", type=seconds, metavar="LENGTH", help="How long an answer may take."),
    _option(
        "--ca-certificates",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Trust the certificates in this PEM file instead of the system's.",
    ),
    _option("--proxy", metavar="URL", help="Reach it through this proxy; - reads it from stdin."),
    _option("--proxy-env", metavar="NAME", help="Take the proxy from this environment variable."),
)
_REMOVALS = (
    _option("--no-headers", is_flag=True, default=None, help="Take all changes of headers away."),
    _option("--no-probe", is_flag=True, default=None, help="Ask it no more."),
    _option("--no-ca-certificates", is_flag=True, default=None, help="Trust the system's again."),
    _option("--remove-proxy", is_flag=True, default=None, help="Forget the proxy."),
)


def traffic_options(command: Callable[P, None]) -> Callable[P, None]:
    """Gives a command the options that `read_traffic` reads."""
    for option in reversed(_SETTINGS):
        command = option(command)
    return command


def removal_options(command: Callable[P, None]) -> Callable[P, None]:
    """Gives a command also those that take settings away."""
    for option in reversed(_REMOVALS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamTraffic:
    """What the options say; None where they say nothing."""

    headers: tuple[HeaderOperation, ...] | None
    breaker: Breaker | None
    probe: Probe | Removal | None
    ca_certificates: str | None
    proxy_url: str | None


def changes_traffic() -> bool:
    """Tells whether the current command was given any of the options.

    Raises `click.UsageError` for options that exclude each other.
    """
    given = _given()
    for setting, option, removal in (
        ("headers", "--header", "--no-headers"),
        ("probe", "--probe", "--no-probe"),
        ("ca_certificates", "--ca-certificates", "--no-ca-certificates"),
    ):
        if setting in given and removal.removeprefix("--").replace("-", "_") in given:
            raise click.UsageError(f"give {option} or {removal}, not both")
    return bool(given)


def changes_parts() -> bool:
    """Tells whether it was given options that change a part of what the gateway replaces as a whole."""
    return any(name.startswith(("breaker", "probe")) for name in _given())


def read_traffic(present: Upstream | None) -> UpstreamTraffic:
    """Returns what the options of the current command say; the rest of a breaker or probe is as at present.

    Raises `click.UsageError` for options that need others.
    """
    given = _given()
    breaker = {
        name.removeprefix("breaker_"): value for name, value in given.items() if name.startswith("breaker_")
    }
    before = present.breaker if present else Breaker()
    authorities = given.get("ca_certificates")
    return UpstreamTraffic(
        headers=() if "no_headers" in given else given.get("headers"),
        breaker=replace(before, **breaker) if breaker else None,
        probe=Removal.REMOVE if "no_probe" in given else _probe(given, present.probe if present else None),
        ca_certificates=""
        if "no_ca_certificates" in given
        else authorities and authorities.read_text(encoding="utf-8"),
        proxy_url=_proxy(given),
    )


def _probe(given: dict[str, Any], present: Probe | None) -> Probe | None:
    lengths = {
        name.removeprefix("probe_"): value for name, value in given.items() if name.startswith("probe_")
    }
    if "probe" not in given and not lengths:
        return None
    if "probe" in given:
        present = replace(present, path=given["probe"]) if present else Probe(path=given["probe"])
    if present is None:
        raise click.UsageError("there is no probe yet: give --probe, too")
    return replace(present, **lengths)


def _proxy(given: dict[str, Any]) -> str | None:
    url = read_secret(
        "--proxy",
        given.get("proxy"),
        given.get("proxy_env"),
        env_option="--proxy-env",
        prompt="Proxy",
    )
    if "remove_proxy" not in given:
        return url
    if url is not None:
        raise click.UsageError("give a proxy or --remove-proxy, not both")
    return ""


def _given() -> dict[str, Any]:  # what click read, by the options' names
    given: dict[str, Any] = click.get_current_context().meta.get(_GIVEN, {})
    return given
