"""`tollkeeper apply` and `export`: the configuration as a file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tollkeeper.cli.changes import show_changes
from tollkeeper.cli.files import FILE, read_file, write_file
from tollkeeper.cli.output import Output
from tollkeeper.cli.session import Failure, manages
from tollkeeper.client import Client
from tollkeeper.configuration import (
    ConfigurationError,
    emptied_kinds,
    in_file,
    read_document,
    write_document,
)
from tollkeeper.errors import FieldViolation, TollkeeperError


@click.command()
@click.option("-f", "--file", type=FILE, required=True, help="The file; - is standard input.")
@click.option("--dry-run", is_flag=True, help="Tell the difference; change nothing.")
@click.option(
    "--prune",
    is_flag=True,
    help="Remove what the file does not name, of the kinds that it has a list of, unless it is in use; never "
    "projects or tokens.",
)
@manages
def apply(client: Client, output: Output, file: Path, dry_run: bool, prune: bool) -> None:
    """Make the configuration as a file describes it, all of it or nothing.

    Differences are printed: + is added, ~ changed, - removed. A second time there is nothing to change.
    ${NAME} in a secret stands for a variable of this command's environment.

    \b
    Examples:
      tollkeeper apply -f tollkeeper.yaml --dry-run
      tollkeeper export | sed s/gpt-4o/gpt-5/ | tollkeeper apply -f -
    """
    try:
        text = read_file(file)
        configuration = read_document(text, os.environ)
        emptied = emptied_kinds(text) if prune else ()
    except ConfigurationError as error:
        raise refused(error, file) from error
    with places():
        applied = client.configuration.apply(configuration, dry_run=dry_run, prune=prune, prune_kinds=emptied)
    show_changes(output, applied, dry_run=dry_run)


@click.command()
@click.option(
    "-o", "--output", "target", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this file."
)
@manages
def export(client: Client, output: Output, target: Path | None) -> None:
    """Print the configuration as a file, but for secrets.

    Applied again where it came from, it changes nothing: secrets that are not in it stay as they are.
    """
    text = write_document(client.configuration.export())
    if target is None:
        click.echo(text, nl=False)
    else:
        write_file(target, text)
        output.done(f"the configuration is in {target}")


@contextmanager
def places() -> Iterator[None]:
    """Have a gateway's refusal name the places as they are in a file."""
    try:
        yield
    except TollkeeperError as error:
        error.message = in_file(error.message)
        error.violations = tuple(FieldViolation(in_file(it.field), it.description) for it in error.violations)
        raise


def refused(error: ConfigurationError, *files: Path) -> Failure:
    """Return the failure that tells people of files that can't be used."""
    name = ", ".join("standard input" if str(it) == "-" else str(it) for it in files)
    first, *more = (
        error.problems if len(error.problems) == 1 else (f"{name} can't be used:", *str(error).split("\n"))
    )
    if not more:
        return Failure(f"{name}: {first}")
    return Failure("\n  ".join((first, *more)))
