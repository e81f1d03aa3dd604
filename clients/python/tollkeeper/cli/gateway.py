"""`tollkeeper gateway`: what holds for the gateway as a whole."""

from typing import Any

import click

from tollkeeper.cli.limits import NO_LIMITS, limit_option, no_limits_option
from tollkeeper.cli.options import settings_of, to_update, validate_option
from tollkeeper.cli.output import Output
from tollkeeper.cli.session import manages
from tollkeeper.client import Client


@click.group(no_args_is_help=True)
def gateway() -> None:
    """Manage what holds for the gateway as a whole.

    \b
    Examples:
      tollkeeper gateway get
      tollkeeper gateway update --limit money=500/month --limit concurrent_requests=200
    """


@gateway.command()
@manages
def get(client: Client, output: Output) -> None:
    """Show what holds for the gateway as a whole."""
    output.item(client.gateway.get())


@gateway.command()
@limit_option("A limit of all requests together; repeat for more. They replace the present ones.")
@no_limits_option
@click.option("--etag", default="", help="Fail if the gateway was changed since it had this etag.")
@validate_option
@manages
def update(client: Client, output: Output, /, etag: str, validate_only: bool, **given: Any) -> None:
    """Change what holds for the gateway as a whole; fields that are not given stay.

    \b
    Examples:
      tollkeeper gateway update --limit money=500/month@Europe/Berlin --limit tokens_per_minute=1000000
      tollkeeper gateway update --no-limits
    """
    changes = settings_of(given, no_limits=NO_LIMITS)
    output.item(
        client.gateway.update(validate_only=validate_only, **to_update(changes, etag, client.gateway.get))
    )
