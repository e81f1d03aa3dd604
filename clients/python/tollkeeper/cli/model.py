"""`tollkeeper model`: the names that applications ask for."""

import click

from tollkeeper.cli.output import Output
from tollkeeper.cli.session import manages, require_change
from tollkeeper.client import Client
from tollkeeper.values import Capability, Deployment

CAPABILITIES = click.Choice([it.value for it in Capability if it is not Capability.UNKNOWN])


def deployment(text: str) -> Deployment:
    """Reads `UPSTREAM` or `UPSTREAM=UPSTREAM_MODEL`. Raises `ValueError`."""
    upstream, equals, upstream_model = text.partition("=")
    if not upstream or (equals and not upstream_model):
        raise ValueError(f"{text!r} is not a deployment; expected UPSTREAM or UPSTREAM=UPSTREAM_MODEL")
    return Deployment(upstream, upstream_model)


@click.group(no_args_is_help=True)
def model() -> None:
    """Manage models: the names that applications ask for, and the deployments that serve them.

    \b
    Examples:
      tollkeeper model create gpt-4o-mini --deployment openai
      tollkeeper model create fast --deployment azure-eu=gpt4o-mini --alias small
      tollkeeper model list
    """


@model.command("list")
@manages
def list_(client: Client, output: Output) -> None:
    """List models by name."""
    output.items(
        client.models.list(page_size=1000),
        {
            "NAME": lambda it: it.name,
            "ALIASES": lambda it: it.aliases,
            "DEPLOYMENTS": lambda it: it.deployments,
            "CAPABILITIES": lambda it: it.capabilities or "all",
            "ACTIVE": lambda it: it.is_active,
            "CREATED": lambda it: it.created_at,
        },
        none="no models",
    )


@model.command()
@click.argument("name")
@manages
def get(client: Client, output: Output, name: str) -> None:
    """Show one model."""
    output.item(client.models.get(name))


@model.command()
@click.argument("name")
@click.option(
    "--deployment",
    "deployments",
    type=deployment,
    metavar="UPSTREAM[=UPSTREAM_MODEL]",
    multiple=True,
    required=True,
    help="An upstream that serves it, with the model's name there if it is another; repeat for more.",
)
@click.option(
    "--alias", "aliases", metavar="NAME", multiple=True, help="Another name for it; repeat for more."
)
@click.option(
    "--capability",
    "capabilities",
    type=CAPABILITIES,
    multiple=True,
    help="An endpoint it serves; repeat for more. All if not given.",
)
@manages
def create(
    client: Client,
    output: Output,
    name: str,
    deployments: tuple[Deployment, ...],
    aliases: tuple[str, ...],
    capabilities: tuple[str, ...],
) -> None:
    """Add a model. A trailing * in NAME stands for any rest.

    \b
    Examples:
      tollkeeper model create gpt-4o-mini --deployment openai --deployment azure-eu=gpt4o-mini
      tollkeeper model create 'gpt-*' --deployment openai
      tollkeeper model create embed --deployment openai=text-embedding-3-small --capability embeddings
    """
    output.item(
        client.models.create(
            name=name,
            deployments=deployments,
            aliases=aliases,
            capabilities=tuple(map(Capability, capabilities)),
        )
    )


@model.command()
@click.argument("name")
@click.option(
    "--deployment",
    "deployments",
    type=deployment,
    metavar="UPSTREAM[=UPSTREAM_MODEL]",
    multiple=True,
    help="An upstream that serves it; repeat for more. They replace the present ones.",
)
@click.option("--alias", "aliases", metavar="NAME", multiple=True, help="They replace the present ones.")
@click.option("--no-aliases", is_flag=True, help="Take all aliases away.")
@click.option(
    "--capability", "capabilities", type=CAPABILITIES, multiple=True, help="They replace the present ones."
)
@click.option("--all-capabilities", is_flag=True, help="Serve all endpoints.")
@click.option(
    "--activate/--deactivate", "is_active", default=None, help="Put it into traffic, or take it out."
)
@click.option("--etag", default="", help="Fail if the model was changed since it had this etag.")
@manages
def update(
    client: Client,
    output: Output,
    name: str,
    deployments: tuple[Deployment, ...],
    aliases: tuple[str, ...],
    no_aliases: bool,
    capabilities: tuple[str, ...],
    all_capabilities: bool,
    is_active: bool | None,
    etag: str,
) -> None:
    """Change a model; what is not given stays.

    \b
    Examples:
      tollkeeper model update fast --deployment openai=gpt-4o-mini
      tollkeeper model update fast --no-aliases --deactivate
    """
    if aliases and no_aliases:
        raise click.UsageError("give --alias or --no-aliases, not both")
    if capabilities and all_capabilities:
        raise click.UsageError("give --capability or --all-capabilities, not both")
    require_change(
        deployments or aliases or no_aliases or capabilities or all_capabilities or is_active is not None
    )
    output.item(
        client.models.update(
            name,
            deployments=deployments or None,
            aliases=() if no_aliases else aliases or None,
            capabilities=() if all_capabilities else tuple(map(Capability, capabilities)) or None,
            is_active=is_active,
            etag=etag,
        )
    )


@model.command()
@click.argument("name")
@click.option("--etag", default="", help="Fail if the model was changed since it had this etag.")
@manages
def delete(client: Client, output: Output, name: str, etag: str) -> None:
    """Remove a model."""
    client.models.delete(name, etag=etag)
    output.done(f"model {name} is deleted")
