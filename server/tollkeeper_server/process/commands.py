"""The command line: `tollkeeper serve`, `simulate`, `check-config`, `keys`, `version`, and the client's."""

import gc
import os
import sys
from collections.abc import Mapping
from importlib.metadata import version as distribution_version
from pathlib import Path
from typing import Any, NoReturn

import click

from tollkeeper_server.process.options import with_settings, with_store
from tollkeeper_server.settings import SETTINGS_FILE, Settings, SettingsError, load_settings
from tollkeeper_server.telemetry.logs import redact


def fail(message: str) -> NoReturn:
    """Write the reason to standard error and exit with 1."""
    click.echo(f"tollkeeper: {message}", err=True)
    sys.exit(1)


def _settings(settings_file: Path | None, options: Mapping[str, Any]) -> Settings:
    if settings_file is not None:
        os.environ[SETTINGS_FILE] = str(settings_file)
    try:
        return load_settings({name: value for name, value in options.items() if value is not None})
    except SettingsError as error:
        fail(str(error))


_VERSION = f"tollkeeper {distribution_version('tollkeeper')}"


class _Commands(click.Group):
    """The server's commands, and the client's, which a server that runs has no memory for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        self._add_clients()
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, None if there is none with that name."""
        if cmd_name not in self.commands:
            self._add_clients()
        return super().get_command(ctx, cmd_name)

    def _add_clients(self) -> None:
        from tollkeeper.cli import COMMANDS

        for command in COMMANDS:
            self.add_command(command)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(message=_VERSION)
def main() -> None:
    """Tollkeeper: a gateway between applications and LLM APIs."""


@main.command()
@with_settings
def serve(settings_file: Path | None, **options: Any) -> None:
    """Run the gateway.

    Every option is also a setting: TOLLKEEPER_STORE, TOLLKEEPER_REDIS, … in the environment, or a name in
    the file of --settings. TOLLKEEPER_MANAGEMENT_TOKEN (or MANAGEMENT_TOKEN) guards the management plane,
    and TOLLKEEPER_ENCRYPTION_KEY seals secrets in the store. Neither is an option, because other users of
    the machine can see a command line.
    """
    settings = _settings(settings_file, options)
    # Imported here, so that the client's commands do not wait for the server's imports.
    from tollkeeper_server.process.errors import RunError

    if settings.workers > 1:
        from tollkeeper_server.process.workers.supervisor import supervise as run
    else:
        from tollkeeper_server.process.run import run

    gc.freeze()
    gc.enable()
    try:
        run(settings, click.echo)
    except RunError as error:
        fail(str(error))


@main.command("check-config")
@with_settings
def check_config(settings_file: Path | None, **options: Any) -> None:
    """Check the settings and show them, secrets masked, and start nothing.

    Exit with 1 and name the problem if a server could not start with them.
    """
    settings = _settings(settings_file, options)
    for name, value in sorted(settings):
        click.echo(redact(f"{name}: {value if value is not None else ''}"))
    if settings.config is not None:
        from tollkeeper_server.process.configure import read_file
        from tollkeeper_server.process.errors import RunError

        try:
            read_file(settings.config)
        except RunError as error:
            fail(str(error))
    if settings.management_token is None and not settings.demo:
        fail("management_token: not set; make one with: openssl rand -base64 32")


@main.group()
def keys() -> None:
    """Encryption keys of the secrets in the store."""


@keys.command()
@with_store
def rotate(settings_file: Path | None, **options: Any) -> None:
    """Seal every secret in the store with the first of the encryption keys, so that the others can go.

    The keys are those of TOLLKEEPER_ENCRYPTION_KEY, the new one first. Processes may serve meanwhile.
    Exit with 1 and change nothing if a secret can't be opened with any of them.
    """
    settings = _settings(settings_file, options)
    from tollkeeper_server.process.errors import RunError
    from tollkeeper_server.process.rotation import run_rotation

    try:
        click.echo(run_rotation(settings))
    except RunError as error:
        fail(str(error))


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=9100, show_default=True, help="0 is any free port.")
@click.option("--latency-ms", default=0.0, help="Wait before the first byte.")
@click.option("--token-interval-ms", default=0.0, help="Wait between the events of a stream.")
@click.option("--error-rate", default=0.0, help="Share of requests answered with an error, 0 to 1.")
@click.option("--error-status", default=500, show_default=True, help="The status of those errors.")
@click.option("--cut-rate", default=0.0, help="Share of streams that break off, 0 to 1.")
@click.option("--rate-limit-per-minute", default=0, help="Requests a minute before 429; 0 is unlimited.")
@click.option("--reply-words", default=24, show_default=True, help="The length of an answer.")
@click.option("--seed", default=0, help="Decides which requests fail.")
@click.option("--api-key", default="", help="Refuse callers without this key.")
def simulate(host: str, port: int, **options: Any) -> None:
    """Run the provider simulator alone: OpenAI's, Azure's and Anthropic's APIs, without a model.

    A request can ask for a fault of its own with the header x-simulate, such as
    `x-simulate: cut=3, interval=50`.
    """
    from tollkeeper_server.process.errors import RunError
    from tollkeeper_server.process.simulate import run_simulator
    from tollkeeper_server.simulator.config import SimulatorConfig

    try:
        run_simulator(host, port, SimulatorConfig(**options), click.echo)
    except (RunError, ValueError) as error:
        fail(str(error))


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(_VERSION)
