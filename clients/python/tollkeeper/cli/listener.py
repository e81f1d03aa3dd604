"""`tollkeeper listener`: the data plane's ports."""

import re
from typing import Any

import click

from tollkeeper.cli.lengths import parse_length
from tollkeeper.cli.limits import NO_LIMITS, limit_option, no_limits_option
from tollkeeper.cli.listing import activity_option, asked, list_options, show_list
from tollkeeper.cli.options import settings_of, to_update, validate_option
from tollkeeper.cli.output import Output
from tollkeeper.cli.session import manages
from tollkeeper.client import Client
from tollkeeper.values.traffic import IpLimit, Removal, Rule

_RULE = re.compile(
    r"""(?!=)
    (?P<path>/\S*)?
    (?:(?:^|(?<=\S)[ ])(?P<header>[!\#$%&'*+.^_`|~0-9A-Za-z-]+)(?::(?P<value>.+))?)?
    =(?P<group>[^\s=]+)
    (?:[ ]strip[ ](?P<strip_prefix>/\S+))?""",
    re.VERBOSE,
)


def rule(text: str) -> Rule:
    """Read `PATH=GROUP`, `NAME:VALUE=GROUP` or `PATH NAME:VALUE=GROUP`, with ` strip PREFIX` behind or not.

    A value between slashes is a pattern; without one the header only has to be there. Raises `ValueError`.
    """
    found = _RULE.fullmatch(text)
    if not found:
        raise ValueError(
            f"{text!r} is not a rule; expected PATH=GROUP, NAME:VALUE=GROUP or 'PATH NAME:VALUE=GROUP', "
            "such as '/v1/files/*=files' or '/a/* x-team:search=search strip /a'"
        )
    parts = found.groupdict(default="")
    value = parts["value"]
    if len(value) > len("//") and value.startswith("/") and value.endswith("/"):
        return Rule(**parts | {"value": "", "pattern": value[1:-1]})
    return Rule(**parts)


def ip_limit(text: str) -> IpLimit:
    """Read `PER_SECOND` or `PER_SECOND/BURST`. Raises `ValueError`."""
    per_second, slash, burst = text.partition("/")
    numbers = (per_second, burst) if slash else (per_second,)
    if not all(it.isascii() and it.isdecimal() and len(it) < 10 for it in numbers):
        raise ValueError(f"{text!r} is not a limit; expected PER_SECOND/BURST, such as 50/100")
    return IpLimit(per_second=int(per_second), burst=int(burst) if slash else None)


@click.group(no_args_is_help=True)
def listener() -> None:
    """Manage listeners: the data plane's ports, each with routing rules and limits of its own.

    \b
    Examples:
      tollkeeper listener create tenant-a --listen 0.0.0.0:3001 --default-group chat
      tollkeeper listener update tenant-a --rule '/v1/files/*=files' --ip-limit 50/100
      tollkeeper listener update tenant-a --deactivate
    """


@listener.command("list")
@activity_option
@list_options("name or address", "name, created_at or updated_at")
@manages
def list_(client: Client, output: Output, /, **given: Any) -> None:
    """List listeners by name."""
    show_list(
        output,
        client.listeners.list(**asked(given)),
        {
            "NAME": lambda it: it.name,
            "ADDRESS": lambda it: it.address,
            "DEFAULT GROUP": lambda it: it.default_group,
            "RULES": lambda it: len(it.rules),
            "IP LIMIT": lambda it: it.ip_limit,
            "LIMITS": lambda it: it.limits,
            "TLS": lambda it: it.tls,
            "ACTIVE": lambda it: it.is_active,
            "CREATED": lambda it: it.created_at,
        },
        kind="listeners",
        limit=given["limit"],
        right=["RULES"],
    )


@listener.command()
@click.argument("name")
@manages
def get(client: Client, output: Output, name: str) -> None:
    """Show one listener."""
    output.item(client.listeners.get(name))


@listener.command()
@click.argument("name")
@click.option("--listen", metavar="HOST:PORT", required=True, help="Where it listens.")
@click.option("--default-group", metavar="GROUP", default="", help="Serves what no rule and no model does.")
@click.option(
    "--rule",
    "rules",
    type=rule,
    metavar="'PATH NAME:VALUE=GROUP'",
    multiple=True,
    help="Where requests go by path (:name, {name:regex} or * for a segment, * at the end), by header "
    "(/PATTERN/ for a regular expression) or by both; ' strip PREFIX' at the end takes that off the path. "
    "Repeat for more.",
)
@click.option(
    "--ip-limit", type=ip_limit, metavar="PER_SECOND/BURST", help="How many requests an IP address may make."
)
@limit_option("What all requests of the port may use together; repeat for more.")
@click.option("--head-timeout", type=parse_length, metavar="LENGTH", help="To send a request's head.")
@click.option("--listen-tls", is_flag=True, help="Speak TLS, with the certificate of the process.")
@click.option("--inactive", is_flag=True, help="Do not open its port yet.")
@validate_option
@manages
def create(client: Client, output: Output, /, name: str, inactive: bool, **given: Any) -> None:
    """Add a listener and open its port.

    \b
    Examples:
      tollkeeper listener create tenant-a --listen 0.0.0.0:3001 --default-group chat --ip-limit 50/100
      tollkeeper listener create edge --listen '[::]:3002' --rule '/v1/embeddings=embed' \\
          --rule 'user-agent:/curl.*/=tests' --rule '/a/* x-team:search=search strip /a'
    """
    # `address` and `tls` are the gateway's own
    given["address"], given["tls"] = given.pop("listen"), given.pop("listen_tls")
    settings = settings_of(given)
    output.item(client.listeners.create(name=name, is_active=not inactive, **settings))


@listener.command()
@click.argument("name")
@click.option("--listen", metavar="HOST:PORT", help="Where it listens.")
@click.option("--default-group", metavar="GROUP", help="Serves what no rule and no model does; '' for none.")
@click.option(
    "--rule",
    "rules",
    type=rule,
    metavar="'PATH NAME:VALUE=GROUP'",
    multiple=True,
    help="Where requests go, as in create; repeat for more. They replace all present ones.",
)
@click.option("--no-rules", is_flag=True, default=None, help="Take all rules away.")
@click.option("--ip-limit", type=ip_limit, metavar="PER_SECOND/BURST", help="Of each IP address.")
@click.option("--no-ip-limit", is_flag=True, default=None, help="Limit no IP address.")
@limit_option("What all requests of the port may use together. They replace the present ones.")
@no_limits_option
@click.option("--head-timeout", type=parse_length, metavar="LENGTH", help="To send a request's head.")
@click.option("--listen-tls/--no-listen-tls", default=None, help="Speak TLS, or plain HTTP.")
@click.option("--activate/--deactivate", "is_active", default=None, help="Open its port, or close it.")
@click.option("--etag", default="", help="Fail if the listener was changed since it had this etag.")
@validate_option
@manages
def update(
    client: Client, output: Output, /, name: str, etag: str, validate_only: bool, **given: Any
) -> None:
    """Change a listener; fields that are not given stay. Requests under way end as they began.

    \b
    Examples:
      tollkeeper listener update tenant-a --listen 0.0.0.0:3005
      tollkeeper listener update tenant-a --no-rules --default-group chat
    """
    # As in create.
    given["address"], given["tls"] = given.pop("listen"), given.pop("listen_tls")
    changes = settings_of(
        given, no_rules=("rules", ()), no_ip_limit=("ip_limit", Removal.REMOVE), no_limits=NO_LIMITS
    )
    output.item(
        client.listeners.update(
            name, validate_only=validate_only, **to_update(changes, etag, lambda: client.listeners.get(name))
        )
    )


@listener.command()
@click.argument("name")
@click.option("--etag", default="", help="Fail if the listener was changed since it had this etag.")
@validate_option
@manages
def delete(client: Client, output: Output, name: str, etag: str, validate_only: bool) -> None:
    """Remove a listener and close its port. Requests under way end as they began."""
    client.listeners.delete(name, etag=etag, validate_only=validate_only)
    output.done(f"listener {name} {'can be' if validate_only else 'is'} deleted")
