"""`tollkeeper revisions`: the history of the configuration, and the differences between two revisions."""

from collections.abc import Callable
from itertools import islice

import click

from tollkeeper.cli.changes import SIGNS, describe
from tollkeeper.cli.output import Output
from tollkeeper.cli.session import manages
from tollkeeper.client import Client
from tollkeeper.messages.lengths import rfc3339
from tollkeeper.values.revisions import Revision

_KINDS = ("project", "upstream", "group", "model", "listener", "gateway")
_PAGE = 1000


@click.group()
def revisions() -> None:
    """Show who changed the configuration, when, and what.

    Tokens are no part of it. Up to about 1,000 revisions are kept, for a year.
    """


@revisions.command("list")
@click.option("--kind", type=click.Choice(_KINDS), help="Only those that changed such an entity.")
@click.option(
    "--id",
    "entity_id",
    metavar="ID",
    default="",
    help="Only those that changed this entity of the kind: the id of a project, the name of any other.",
)
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", default=50, show_default=True, help="How many."
)
@manages
def list_(client: Client, output: Output, kind: str | None, entity_id: str, limit: int) -> None:
    """List the revisions of the configuration, newest first. Times are UTC.

    \b
    Examples:
      tollkeeper revisions list
      tollkeeper revisions list --kind upstream --id openai
      tollkeeper revisions list --limit 1 --json
    """
    found = client.configuration.revisions(kind=kind or "", entity_id=entity_id, page_size=min(limit, _PAGE))
    columns: dict[str, Callable[[Revision], object]] = {
        "REVISION": lambda it: it.revision,
        "TIME": lambda it: it.created_at and rfc3339(it.created_at.replace(microsecond=0)),
        "BY": lambda it: it.method or it.door,
        "DOOR": lambda it: it.door,
        "SOURCE": lambda it: it.source,
        "CHANGES": _changes,
    }
    output.items(
        islice(found, limit),
        columns,
        none="no revisions",
        right=("REVISION",),
        shortened=("SOURCE", "CHANGES"),
    )


@revisions.command()
@click.argument("from_revision", type=click.IntRange(min=0), metavar="FROM")
@click.argument("to_revision", type=click.IntRange(min=0), metavar="[TO]", required=False)
@manages
def diff(client: Client, output: Output, from_revision: int, to_revision: int | None) -> None:
    """Print the differences between the revisions FROM and TO, which is the latest if it is left out.

    They are printed as `tollkeeper apply` prints them: + was added, ~ changed, - removed.

    \b
    Examples:
      tollkeeper revisions diff 41 42
      tollkeeper revisions diff 40 --json
    """
    found = client.configuration.diff(from_revision, to_revision, page_size=_PAGE)
    if output.as_json:
        output.items(found, {}, none="")
        return
    none = True
    for change in found:
        none = False
        for line in describe(change):
            output.done(line)
    if none:
        output.done("nothing differs")


def _changes(revision: Revision) -> str:
    """Return what a revision changed: some of it by name, and how much there is besides."""
    total = revision.created_count + revision.updated_count + revision.deleted_count
    named = [f"{SIGNS.get(it.action, '?')}{it.kind} {it.name}" for it in revision.changes[:3]]
    rest = total - len(named)
    return ", ".join([*named, *([f"{rest} more"] if rest else [])])
