"""The options that say how an upstream is called, and when it is left alone."""

from pathlib import Path

import click

from tollkeeper.cli.lengths import parse_length
from tollkeeper.cli.options import options
from tollkeeper.values.traffic import HeaderAction, HeaderOperation, Removal

_ACTIONS = {it.value: it for it in HeaderAction if it is not HeaderAction.UNKNOWN}


def operation(text: str) -> HeaderOperation:
    """Read `insert:NAME:VALUE`, `replace:NAME:VALUE` or `remove:NAME`. Raises `ValueError`."""
    word, _, rest = text.partition(":")
    name, _, value = rest.partition(":")
    action = _ACTIONS.get(word)
    if action is None or not name or (action is HeaderAction.REMOVE) == bool(value):
        raise ValueError(
            f"{text!r} is not a change of a header; expected insert:NAME:VALUE, replace:NAME:VALUE or "
            "remove:NAME"
        )
    return HeaderOperation(action, name, value)


def _content(_context: click.Context, _parameter: click.Parameter, path: Path | None) -> str | None:
    return None if path is None else path.read_text(encoding="utf-8")


traffic_options = options(
    click.option(
        "--header",
        "header_operations",
        type=operation,
        metavar="insert:NAME:VALUE",
        multiple=True,
        help="A change to requests' headers: insert, replace, or remove:NAME; repeat for more, in order.",
    ),
    click.option(
        "--request-id-header",
        metavar="NAME",
        help="A header, such as X-Request-Id, in which it gets the gateway's request id.",
    ),
    click.option(
        "--pass-header",
        "passed_headers",
        metavar="NAME",
        multiple=True,
        help="A header of its answers to pass on, such as Set-Cookie, that is kept back otherwise; "
        "repeat for more.",
    ),
    click.option(
        "--breaker-threshold",
        "breaker__threshold",
        type=click.FloatRange(0.01, 1),
        metavar="SHARE",
        help="The share of failed calls, 0.01 to 1, upon which it is left alone.",
    ),
    click.option(
        "--breaker-cooldown",
        "breaker__cooldown",
        type=parse_length,
        metavar="LENGTH",
        help="Until one call at a time tries it again.",
    ),
    click.option(
        "--breaker-window",
        "breaker__window",
        type=parse_length,
        metavar="LENGTH",
        help="How long ago calls count.",
    ),
    click.option(
        "--breaker-min-calls",
        "breaker__min_calls",
        type=click.IntRange(1),
        metavar="N",
        help="As many must count before it is.",
    ),
    click.option(
        "--probe", "probe__path", metavar="PATH", help="Ask it how it is, at this path below its base URL."
    ),
    click.option(
        "--probe-interval", "probe__interval", type=parse_length, metavar="LENGTH", help="How often."
    ),
    click.option(
        "--probe-timeout",
        "probe__timeout",
        type=parse_length,
        metavar="LENGTH",
        help="How long an answer may take.",
    ),
    click.option(
        "--ca-certificates",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        callback=_content,
        help="Trust the authorities in this PEM file beside the system's.",
    ),
    click.option(
        "--ca-only/--no-ca-only", default=None, help="Whether to trust these alone, without the system's."
    ),
    click.option(
        "--client-certificate",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        callback=_content,
        help="Show it the certificate in this PEM file if it asks; with its intermediates.",
    ),
    click.option(
        "--client-key",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        callback=_content,
        help="The PEM file with the private key of that certificate.",
    ),
    click.option(
        "--proxy", "proxy_url", metavar="URL", help="Reach it through this proxy; - reads it from stdin."
    ),
    click.option("--proxy-env", metavar="NAME", help="Take the proxy from this environment variable."),
)
removal_options = options(
    click.option("--no-headers", is_flag=True, default=None, help="Take all changes of headers away."),
    click.option("--no-pass-headers", is_flag=True, default=None, help="Keep all such headers back again."),
    click.option("--no-probe", is_flag=True, default=None, help="Ask it no more."),
    click.option("--no-ca-certificates", is_flag=True, default=None, help="Trust the system's alone."),
    click.option(
        "--no-client-certificate", is_flag=True, default=None, help="Forget the certificate and its key."
    ),
    click.option("--remove-proxy", is_flag=True, default=None, help="Forget the proxy."),
)
REMOVALS: dict[str, tuple[str, object]] = {
    "no_headers": ("header_operations", ()),
    "no_pass_headers": ("passed_headers", ()),
    "no_probe": ("probe", Removal.REMOVE),
    "no_ca_certificates": ("ca_certificates", ""),
    "no_client_certificate": ("client_certificate", ""),
    "remove_proxy": ("proxy_url", ""),
}
"""The fields that the removal options remove."""
