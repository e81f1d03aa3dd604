"""`tollkeeper session`: who is signed in to the console."""

from typing import Any

import click

from tollkeeper.cli.listing import asked, show_list
from tollkeeper.cli.output import Output
from tollkeeper.cli.session import manages
from tollkeeper.client import Client


@click.group(no_args_is_help=True)
def session() -> None:
    """Tell who is signed in to the console, and end sessions.

    \b
    Examples:
      tollkeeper session list
      tollkeeper session revoke ses_…
      tollkeeper session revoke-all
    """


@session.command("list")
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="Print N at the most; all if not given."
)
@manages
def list_(client: Client, output: Output, /, **given: Any) -> None:
    """List the sessions that go on, newest first."""
    show_list(
        output,
        client.sessions.list(**asked(given)),
        {
            "ID": lambda it: it.id,
            "SIGNED IN": lambda it: it.created_at,
            "LAST USED": lambda it: it.last_used_at,
            "ENDS": lambda it: it.idle_expires_at,
            "ADDRESS": lambda it: it.address,
            "BROWSER": lambda it: it.user_agent,
        },
        kind="sessions",
        limit=given["limit"],
    )


@session.command()
@click.argument("session_id", metavar="ID")
@manages
def revoke(client: Client, output: Output, session_id: str) -> None:
    """End a session: whoever has it must sign in again."""
    client.sessions.revoke(session_id)
    output.done(f"Ended {session_id}.")


@session.command("revoke-all")
@manages
def revoke_all(client: Client, output: Output) -> None:
    """End all sessions: everybody must sign in again."""
    output.item(client.sessions.revoke_all())
