"""`tollkeeper references`: who uses an entity."""

import click

from tollkeeper.cli.options import Words
from tollkeeper.cli.output import Output
from tollkeeper.cli.session import manages
from tollkeeper.client import Client
from tollkeeper.values.configuration import EntityKind

_PAGE = 1000


@click.command()
@click.argument("kind", type=Words(EntityKind))
@click.argument("name")
@manages
def references(client: Client, output: Output, kind: EntityKind, name: str) -> None:
    """List what refers to an entity: to the one of a NAME, or to the project or token of an id.

    An entity that has references which keep it can't be deleted until they are gone.

    \b
    Examples:
      tollkeeper references upstream openai
      tollkeeper references model gpt-4o
      tollkeeper references project prj_…
    """
    output.items(
        client.configuration.references(kind=kind, name=name, page_size=_PAGE),
        {
            "KIND": lambda it: it.kind,
            "ID": lambda it: it.id,
            "NAME": lambda it: it.name,
            "FIELDS": lambda it: it.fields,
            "HOW": lambda it: it.how,
            "KEEPS IT": lambda it: it.prevents_deletion,
        },
        none=f"nothing refers to {kind} {name}",
        shortened=["FIELDS"],
    )
