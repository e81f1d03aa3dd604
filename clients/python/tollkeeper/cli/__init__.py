"""The management part of the command line: the commands of `tollkeeper` beside those of the server.

`COMMANDS` are click groups that stand on their own; a command line that has them passes them nothing.
"""

from collections.abc import Sequence

import click

from tollkeeper.cli.budget import budget
from tollkeeper.cli.configuration import apply, export
from tollkeeper.cli.console_session import session
from tollkeeper.cli.explain import explain
from tollkeeper.cli.gateway import gateway
from tollkeeper.cli.group import group
from tollkeeper.cli.importing import import_
from tollkeeper.cli.listener import listener
from tollkeeper.cli.model import model
from tollkeeper.cli.prices import prices
from tollkeeper.cli.project import project
from tollkeeper.cli.references import references
from tollkeeper.cli.revisions import revisions
from tollkeeper.cli.status import status
from tollkeeper.cli.tail import tail
from tollkeeper.cli.token import token
from tollkeeper.cli.upstream import upstream
from tollkeeper.cli.usage import usage

usage.add_command(tail)
COMMANDS: Sequence[click.Command] = (
    project,
    token,
    upstream,
    group,
    model,
    listener,
    gateway,
    budget,
    usage,
    prices,
    apply,
    export,
    import_,
    revisions,
    explain,
    references,
    status,
    session,
)

__all__ = ["COMMANDS"]
