"""`tollkeeper group`: upstreams that serve the same."""

import re
from typing import Any

import click

from tollkeeper.cli.listing import asked, list_options, show_list
from tollkeeper.cli.options import settings_of, to_update, validate_option, whole
from tollkeeper.cli.output import Output
from tollkeeper.cli.policy import NO_RETRY, policy_options
from tollkeeper.cli.session import manages
from tollkeeper.client import Client
from tollkeeper.values.traffic import Member


def split_weight(text: str) -> tuple[str, int]:
    """Split `TEXT*WEIGHT`; the weight is 1 if there is none."""
    found = re.fullmatch(r"(.*)\*([0-9]{1,9})", text, re.DOTALL)
    return (found[1], int(found[2])) if found else (text, 1)


def member(text: str) -> Member:
    """Read `UPSTREAM` or `UPSTREAM*WEIGHT`. Raises `ValueError`."""
    upstream, weight = split_weight(text)
    if not upstream:
        raise ValueError(f"{text!r} is not a member; expected UPSTREAM or UPSTREAM*WEIGHT")
    return Member(upstream, weight)


@click.group(no_args_is_help=True)
def group() -> None:
    """Manage groups: upstreams that serve the same, and how requests are spread over them.

    \b
    Examples:
      tollkeeper group create chat --member openai --member azure-eu
      tollkeeper group create chat --member 'openai*3' --member azure-eu --strategy weighted_round_robin
      tollkeeper group update chat --strategy failover --retries 3
    """


@group.command("list")
@list_options("name or members", "name, created_at or updated_at")
@manages
def list_(client: Client, output: Output, /, **given: Any) -> None:
    """List groups by name."""
    show_list(
        output,
        client.groups.list(**asked(given)),
        {
            "NAME": lambda it: it.name,
            "MEMBERS": lambda it: it.members,
            "STRATEGY": lambda it: it.policy.strategy,
            "CREATED": lambda it: it.created_at,
        },
        kind="groups",
        limit=given["limit"],
    )


@group.command()
@click.argument("name")
@manages
def get(client: Client, output: Output, name: str) -> None:
    """Show one group."""
    output.item(client.groups.get(name))


@group.command()
@click.argument("name")
@click.option(
    "--member",
    "members",
    type=member,
    metavar="UPSTREAM[*WEIGHT]",
    multiple=True,
    required=True,
    help="An upstream, with its share where the strategy is by weight; repeat for more.",
)
@policy_options
@validate_option
@manages
def create(client: Client, output: Output, /, name: str, **given: Any) -> None:
    """Add a group.

    \b
    Examples:
      tollkeeper group create chat --member openai --member azure-eu --strategy failover
      tollkeeper group create chat --member openai --member azure-eu --retries 3 --retry-max 5s
    """
    output.item(client.groups.create(name=name, **whole(settings_of(given, no_retry=NO_RETRY))))


@group.command()
@click.argument("name")
@click.option(
    "--member",
    "members",
    type=member,
    metavar="UPSTREAM[*WEIGHT]",
    multiple=True,
    help="An upstream; repeat for more. They replace the present ones.",
)
@click.option("--etag", default="", help="Fail if the group was changed since it had this etag.")
@policy_options
@validate_option
@manages
def update(
    client: Client, output: Output, /, name: str, etag: str, validate_only: bool, **given: Any
) -> None:
    """Change a group; fields that are not given stay.

    \b
    Examples:
      tollkeeper group update chat --member openai --member azure-us
      tollkeeper group update chat --request-timeout 2m --no-retry
    """
    changes = settings_of(given, no_retry=NO_RETRY)
    output.item(
        client.groups.update(
            name, validate_only=validate_only, **to_update(changes, etag, lambda: client.groups.get(name))
        )
    )


@group.command()
@click.argument("name")
@click.option("--etag", default="", help="Fail if the group was changed since it had this etag.")
@validate_option
@manages
def delete(client: Client, output: Output, name: str, etag: str, validate_only: bool) -> None:
    """Remove a group that neither a model nor a listener uses."""
    client.groups.delete(name, etag=etag, validate_only=validate_only)
    output.done(f"group {name} {'can be' if validate_only else 'is'} deleted")
