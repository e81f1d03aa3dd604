"""`tollkeeper project`: the owners of tokens."""

from types import MappingProxyType
from typing import Any

import click

from tollkeeper.cli.limits import NO_LIMITS, limit_option, no_limits_option
from tollkeeper.cli.listing import activity_option, asked, label_option, list_options, show_list
from tollkeeper.cli.options import settings_of, to_update, validate_option
from tollkeeper.cli.output import Output
from tollkeeper.cli.session import manages, read_secret
from tollkeeper.client import Client


@click.group(no_args_is_help=True)
def project() -> None:
    """Manage projects, which tokens belong to.

    Projects are deactivated, never destroyed.

    \b
    Examples:
      tollkeeper project create --name support-bot
      tollkeeper project list
      tollkeeper project deactivate prj_… --revoke-tokens
    """


@project.command("list")
@activity_option
@label_option("Only those that have this label; repeat for more.")
@list_options("id, name, description or labels", "created_at, updated_at or name")
@manages
def list_(client: Client, output: Output, /, **given: Any) -> None:
    """List projects, oldest first.

    \b
    Examples:
      tollkeeper project list --search bot --sort name
      tollkeeper project list --active --label team=support --limit 20 --total
    """
    show_list(
        output,
        client.projects.list(**asked(given)),
        {
            "ID": lambda it: it.id,
            "NAME": lambda it: it.name,
            "ACTIVE": lambda it: it.is_active,
            "API KEY": lambda it: it.api_key,
            "LIMITS": lambda it: it.limits,
            "LABELS": lambda it: it.labels,
            "LAST USED": lambda it: it.last_used_at,
            "CREATED": lambda it: it.created_at,
        },
        kind="projects",
        limit=given["limit"],
    )


@project.command()
@click.argument("project_id", metavar="ID")
@manages
def get(client: Client, output: Output, project_id: str) -> None:
    """Show one project."""
    output.item(client.projects.get(project_id))


@project.command()
@click.option("--name", required=True, help="For people; it need not be unique.")
@click.option(
    "--openai-api-key",
    "--api-key",
    "openai_api_key",
    metavar="KEY",
    help="The project's own OpenAI key, used instead of the upstream's; - reads it from stdin.",
)
@click.option("--api-key-env", metavar="NAME", help="Take the key from this environment variable.")
@click.option("--description", default="", help="For people.")
@limit_option("What all of its tokens may use together; repeat for more.")
@label_option("A label by which it is found; repeat for more.")
@validate_option
@manages
def create(
    client: Client,
    output: Output,
    /,
    openai_api_key: str | None,
    api_key_env: str | None,
    **given: Any,
) -> None:
    """Make a project; it is active at once.

    \b
    Examples:
      tollkeeper project create --name support-bot
      tollkeeper project create --name support-bot --openai-api-key - < key.txt
      tollkeeper project create --name support-bot --api-key-env OPENAI_API_KEY
    """
    key = read_secret("--openai-api-key", openai_api_key, api_key_env)
    output.item(client.projects.create(openai_api_key=key or "", **given))


@project.command()
@click.argument("project_id", metavar="ID")
@click.option("--name", help="A new name.")
@click.option(
    "--openai-api-key",
    "--api-key",
    "openai_api_key",
    metavar="KEY",
    help="A new OpenAI key; - reads it from stdin.",
)
@click.option("--api-key-env", metavar="NAME", help="Take the key from this environment variable.")
@click.option("--description", help="A new description; '' for none.")
@limit_option("What all of its tokens may use together; repeat for more. They replace the present ones.")
@no_limits_option
@label_option("A label; repeat for more. They replace the present ones.")
@click.option("--no-labels", is_flag=True, default=None, help="Take all labels away.")
@click.option("--remove-openai-api-key", is_flag=True, default=None, help="Use the upstream's key again.")
@click.option("--etag", default="", help="Fail if the project was changed since it had this etag.")
@validate_option
@manages
def update(
    client: Client, output: Output, /, project_id: str, etag: str, validate_only: bool, **given: Any
) -> None:
    """Change a project; fields that are not given stay.

    \b
    Examples:
      tollkeeper project update prj_… --name support
      tollkeeper project update prj_… --limit money=100/month@Europe/Berlin --limit tokens=5000000/day
      tollkeeper project update prj_… --openai-api-key - < key.txt
    """
    key = read_secret("--openai-api-key", given["openai_api_key"], given.pop("api_key_env"))
    changes = settings_of(
        {**given, "openai_api_key": key},
        remove_openai_api_key=("openai_api_key", ""),
        no_labels=("labels", MappingProxyType({})),
        no_limits=NO_LIMITS,
    )
    settings = to_update(changes, etag, lambda: client.projects.get(project_id))
    output.item(client.projects.update(project_id, validate_only=validate_only, **settings))


@project.command()
@click.argument("project_id", metavar="ID")
@click.option("--revoke-tokens", is_flag=True, help="Also deactivate its tokens, for good.")
@manages
def deactivate(client: Client, output: Output, project_id: str, revoke_tokens: bool) -> None:
    """Deactivate a project: it mints no tokens and its requests are refused."""
    output.item(client.projects.update(project_id, is_active=False, revoke_tokens=revoke_tokens))


@project.command()
@click.argument("project_id", metavar="ID")
@manages
def activate(client: Client, output: Output, project_id: str) -> None:
    """Activate a project again; revoked tokens stay revoked."""
    output.item(client.projects.update(project_id, is_active=True))


@project.command("revoke-tokens")
@click.argument("project_id", metavar="ID")
@manages
def revoke_tokens(client: Client, output: Output, project_id: str) -> None:
    """Deactivate every token of a project."""
    output.item(client.projects.revoke_tokens(project_id))
