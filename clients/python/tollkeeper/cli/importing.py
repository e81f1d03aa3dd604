"""`tollkeeper import`: other systems' configuration files, as Tollkeeper's own."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from tollkeeper.cli.changes import show_changes
from tollkeeper.cli.configuration import places, refused
from tollkeeper.cli.files import FILE, read_file
from tollkeeper.cli.output import Output
from tollkeeper.cli.session import OPTIONS, Session, connect, failures
from tollkeeper.configuration import ConfigurationError, write_document
from tollkeeper.imports import (
    Imported,
    import_llamakey,
    import_llamaxing,
    import_llmproxy,
    settled,
    without_secrets,
)

F = TypeVar("F", bound=Callable[..., object])

_ENDS = (
    click.option(
        "--with-secrets",
        is_flag=True,
        help="Write the files' secrets as they are, as --apply does. Otherwise ${NAME} stands for each.",
    ),
    click.option(
        "--apply",
        "is_applied",
        is_flag=True,
        help="Configure the gateway at once instead of printing the file.",
    ),
    click.option("--dry-run", is_flag=True, help="With --apply: tell the difference; change nothing."),
)


def _ends(command: F) -> F:
    """Give a command the options of all imports, and those that say how to reach a gateway."""
    for option in reversed((*_ENDS, *OPTIONS)):
        command = option(command)
    return command


@click.group("import", no_args_is_help=True)
def import_() -> None:
    """Turn other systems' configuration files into Tollkeeper's.

    The file is printed on standard output, to be read, kept and applied; notes on what was left out or is
    still to do come on standard error.

    \b
    Examples:
      tollkeeper import llmproxy config.yaml > tollkeeper.yaml
      tollkeeper import llamaxing models.json identities.json .env > tollkeeper.yaml
      tollkeeper import llamakey keys.env --apply
    """


@import_.command()
@click.argument("file", type=FILE)
@_ends
def llmproxy(file: Path, **how: bool) -> None:
    """Import llmproxy's config.yaml.

    Variables such as LLMPROXY_UPSTREAMS__0__AUTH__TOKEN override it, as they do there.
    """
    _finish((file,), lambda: import_llmproxy(read_file(file), os.environ), **how)


@import_.command()
@click.argument("files", type=FILE, nargs=-1, required=True)
@_ends
def llamaxing(files: tuple[Path, ...], **how: bool) -> None:
    """Import Llamaxing's models.json, identities.json and .env; those there are, in any order."""
    _finish(files, lambda: import_llamaxing([read_file(it) for it in files], os.environ), **how)


@import_.command()
@click.argument("file", type=FILE)
@_ends
def llamakey(file: Path, **how: bool) -> None:
    """Import LlamaKey's environment: a file of lines such as export OPENAI_API_KEY=…"""
    _finish((file,), lambda: import_llamakey(read_file(file)), **how)


def _finish(
    files: tuple[Path, ...],
    read: Callable[[], Imported],
    *,
    with_secrets: bool,
    is_applied: bool,
    dry_run: bool,
) -> None:
    if dry_run and not is_applied:
        raise click.UsageError("--dry-run goes with --apply")
    try:
        imported = read()
        if is_applied:
            configuration = imported.resolved(os.environ)
    except ConfigurationError as error:
        raise refused(error, *files) from error
    session = click.get_current_context().ensure_object(Session)
    if not is_applied:
        imported = settled(imported) if with_secrets else without_secrets(imported)
        click.echo(write_document(imported.configuration, resolved=False), nl=False)
    _tell(imported)
    if is_applied:
        with failures(), connect(session) as client, places():
            applied = client.configuration.apply(configuration, dry_run=dry_run)
            show_changes(Output(session.as_json), applied, dry_run=dry_run)


def _tell(imported: Imported) -> None:
    for note in imported.notes:
        click.echo(f"note: {note}", err=True)
