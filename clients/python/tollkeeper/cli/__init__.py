"""The management part of the command line: the commands of `tollkeeper` beside those of the server.

`COMMANDS` are click groups that stand on their own; a command line that has them passes them nothing.
"""

from collections.abc import Sequence

import click

from tollkeeper.cli.configuration import apply, export
from tollkeeper.cli.explain import explain
from tollkeeper.cli.group import group
from tollkeeper.cli.importing import import_
from tollkeeper.cli.listener import listener
from tollkeeper.cli.model import model
from tollkeeper.cli.project import project
from tollkeeper.cli.token import token
from tollkeeper.cli.upstream import upstream
from tollkeeper.cli.usage import usage

COMMANDS: Sequence[click.Command] = (
    project,
    token,
    upstream,
    group,
    model,
    listener,
    usage,
    apply,
    export,
    import_,
    explain,
)

__all__ = ["COMMANDS"]
