"""The parts that all commands share: the connection to the gateway, output and failures."""

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, ParamSpec

import click

from tollkeeper.cli.options import VALIDATE_ONLY
from tollkeeper.cli.output import Output
from tollkeeper.client import Client
from tollkeeper.connection import (
    ADDRESS_VARIABLE,
    DEFAULT_ADDRESS,
    DEFAULT_TIMEOUT,
    TLS_VARIABLE,
    TOKEN_VARIABLES,
)
from tollkeeper.errors import TollkeeperError, Unauthenticated, Unavailable
from tollkeeper.messages.problems import plain

P = ParamSpec("P")


@dataclass(slots=True)
class Session:
    """The options of one command that say how to reach the gateway and how to print."""

    address: str | None = None
    management_token: str | None = None
    tls: bool | None = None
    ca_file: Path | None = None
    timeout: float = DEFAULT_TIMEOUT
    as_json: bool = False


class Failure(click.ClickException):
    """A command failed: a line on stderr, more of them where there is more to say, and exit code 1."""

    def show(self, file: object = None) -> None:  # noqa: ARG002 - click's signature
        """Print the failure."""
        click.echo(f"tollkeeper: {self.message}", err=True)


def _keep(context: click.Context, parameter: click.Parameter, value: object) -> None:
    if parameter.name:
        setattr(context.ensure_object(Session), parameter.name, value)


OPTIONS = (
    click.option(
        "--address",
        metavar="HOST:PORT",
        envvar=ADDRESS_VARIABLE,
        show_envvar=True,
        help=f"The gateway's gRPC listener.  [default: {DEFAULT_ADDRESS}]",
        expose_value=False,
        callback=_keep,
    ),
    click.option(
        "--management-token",
        metavar="TOKEN",
        envvar=list(TOKEN_VARIABLES),
        show_envvar=True,
        help="Better given by the environment, which other users of the machine can't see.",
        expose_value=False,
        callback=_keep,
    ),
    click.option(
        "--tls/--no-tls",
        default=None,
        envvar=TLS_VARIABLE,
        show_envvar=True,
        help="Connect over TLS, trusting the system's certificate authorities.",
        expose_value=False,
        callback=_keep,
    ),
    click.option(
        "--ca-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Connect over TLS, trusting the certificates in this PEM file.",
        expose_value=False,
        callback=_keep,
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True, max=86_400),
        metavar="SECONDS",
        default=DEFAULT_TIMEOUT,
        show_default=True,
        help="How long to wait for each answer.",
        expose_value=False,
        callback=_keep,
    ),
    click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="Print one JSON document instead of a table.",
        expose_value=False,
        callback=_keep,
    ),
)


def manages(command: Callable[Concatenate[Client, Output, P], None]) -> Callable[P, None]:
    """Give a command the shared options, and run it with a client and an output.

    Goes next to the function, below its own options, so that `--help` shows those first.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        session = click.get_current_context().ensure_object(Session)
        with failures(), connect(session) as client:
            output = Output(session.as_json)
            command(client, output, *args, **kwargs)
            if kwargs.get(VALIDATE_ONLY):
                output.note("nothing was changed: this was only checked")

    for option in reversed(OPTIONS):
        run = option(run)
    return run


@contextmanager
def connect(session: Session) -> Iterator[Client]:
    """Make the client that the options ask for. Raises `click.UsageError` if they can't be used."""
    try:
        client = Client(
            session.address,
            management_token=session.management_token,
            tls=session.tls,
            ca_file=session.ca_file,
            timeout=session.timeout,
        )
    except (ValueError, OSError) as error:
        raise click.UsageError(plain(str(error))) from error
    with client:
        yield client


@contextmanager
def failures() -> Iterator[None]:
    """Turn refusals of a gateway, and arguments that can't be sent to it, into messages for people."""
    try:
        yield
    except TollkeeperError as error:
        raise Failure(explain(error)) from error
    except UnicodeError as error:
        raise click.UsageError("an argument, or stdin, is not valid UTF-8") from error


def explain(error: TollkeeperError) -> str:
    """Say what went wrong and what to do about it: a line, and more where that line leaves something out."""
    lines = [plain(error.message)]
    lines += [
        "  " + plain(": ".join(filter(None, (it.field, it.description))))
        for it in error.violations
        if it.description not in error.message
    ]
    if isinstance(error, Unavailable) and not error.reason:
        lines.append(
            "  check that `tollkeeper serve` runs there, and that --address "
            f"({ADDRESS_VARIABLE}) and --tls or --ca-file are right"
        )
    elif isinstance(error, Unauthenticated):
        lines.append(f"  it is taken from {' or '.join(TOKEN_VARIABLES)} in the environment of this command")
    elif error.request_id and not error.violations:
        lines[0] += f" (request {plain(error.request_id)})"
    return "\n".join(lines)


def read_secret(
    option: str,
    given: str | None,
    variable: str | None,
    *,
    env_option: str = "--api-key-env",
    prompt: str = "API key",
) -> str | None:
    """Return the secret that an option gives: itself, stdin's first for `-`, or a variable's content.

    `env_option` is the option that names the variable; `prompt` is what a person at stdin is asked for.
    None if it was not given. Raises `click.UsageError` for one that is empty, and if both are given.
    """
    if given is not None and variable is not None:
        raise click.UsageError(f"give {option} or {env_option}, not both")
    if variable is not None:
        secret = os.environ.get(variable, "")
        if not secret:
            raise click.UsageError(f"{env_option}: the environment has no {plain(variable)}, or it is empty")
        return secret
    if given == "-":
        if sys.stdin.isatty():
            given = str(click.prompt(prompt, hide_input=True, err=True))
        else:
            given = sys.stdin.read().strip()
    if given == "":
        raise click.UsageError(f"{option}: is empty")
    return given
