"""The command line: `tollkeeper serve`, `simulate`, `check-config`, `version`, and the client's commands."""

import os
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version as distribution_version
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from tollkeeper.cli import COMMANDS

from tollkeeper_server.settings import SETTINGS_FILE, LogFormat, Settings, SettingsError, Tls, load_settings
from tollkeeper_server.telemetry.logs import redact

_Command = TypeVar("_Command", bound=Callable[..., object])

_SETTING_OPTIONS = (
    click.option(
        "--settings", "settings_file", type=click.Path(path_type=Path), help="YAML file of settings."
    ),
    click.option(
        "--data-dir", type=click.Path(path_type=Path), help="Where state is kept. [tollkeeper-data]"
    ),
    click.option(
        "--config",
        type=click.Path(path_type=Path),
        help="YAML file of what to configure, applied at start and at SIGHUP. [none]",
    ),
    click.option(
        "--store", metavar="URL", help="sqlite, sqlite:///FILE or mongodb://HOST/DATABASE. [sqlite]"
    ),
    click.option("--redis", metavar="URL", help="redis://HOST:PORT/DB, shared by several processes. [none]"),
    click.option("--data-address", metavar="HOST:PORT", help="The data plane. [127.0.0.1:3000]"),
    click.option("--console-address", metavar="HOST:PORT", help="Console, REST, Connect. [127.0.0.1:8080]"),
    click.option("--grpc-address", metavar="HOST:PORT", help="gRPC. [127.0.0.1:50051]"),
    click.option("--tls", type=click.Choice([tls.value for tls in Tls]), help="A certificate for local use."),
    click.option("--tls-cert", type=click.Path(path_type=Path), help="The console's certificate, PEM."),
    click.option("--tls-key", type=click.Path(path_type=Path), help="Its private key, PEM."),
    click.option("--grpc-tls/--no-grpc-tls", default=None, help="Use the certificate for gRPC, too."),
    click.option("--max-body-bytes", type=int, help="The largest request body. [67108864]"),
    click.option("--drain-seconds", type=float, help="What requests under way get at the end. [600]"),
    click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="[info]"),
    click.option("--log-format", type=click.Choice([form.value for form in LogFormat]), help="[text]"),
)


def _with_settings(command: _Command) -> _Command:
    for option in reversed(_SETTING_OPTIONS):
        command = option(command)
    return command


def fail(message: str) -> NoReturn:
    """Says why on standard error and exits with 1."""
    click.echo(f"tollkeeper: {message}", err=True)
    sys.exit(1)


def _settings(settings_file: Path | None, options: Mapping[str, Any]) -> Settings:
    if settings_file is not None:
        os.environ[SETTINGS_FILE] = str(settings_file)
    try:
        return load_settings({name: value for name, value in options.items() if value is not None})
    except SettingsError as error:
        fail(str(error))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Tollkeeper: a gateway between applications and LLM APIs."""


@main.command()
@_with_settings
@click.option(
    "--demo", is_flag=True, default=None, help="Set up a simulated provider, a project and a token."
)
@click.option(
    "--takeover",
    is_flag=True,
    default=None,
    help="Take the ports over from the process that has them, if any.",
)
def serve(settings_file: Path | None, **options: Any) -> None:
    """Run the gateway.

    Every option is also a setting: TOLLKEEPER_STORE, TOLLKEEPER_REDIS, … in the environment, or a name in
    the file of --settings. The management plane is guarded by TOLLKEEPER_MANAGEMENT_TOKEN (or
    MANAGEMENT_TOKEN), and secrets at rest by TOLLKEEPER_ENCRYPTION_KEY; neither is an option, because
    command lines can be seen by others.
    """
    settings = _settings(settings_file, options)
    # Imported here: the client's commands should not wait for a server's imports.
    from tollkeeper_server.process.run import run
    from tollkeeper_server.process.signals import RunError

    try:
        run(settings, click.echo)
    except RunError as error:
        fail(str(error))


@main.command("check-config")
@_with_settings
def check_config(settings_file: Path | None, **options: Any) -> None:
    """Check the settings and show them, secrets masked; nothing is started.

    Exits with 1, naming what is wrong, if a server could not start with them.
    """
    settings = _settings(settings_file, options)
    for name, value in sorted(settings):
        click.echo(redact(f"{name}: {value if value is not None else ''}"))
    if settings.config is not None:
        from tollkeeper_server.process.configure import read_file
        from tollkeeper_server.process.signals import RunError

        try:
            read_file(settings.config)
        except RunError as error:
            fail(str(error))
    if settings.management_token is None and not settings.demo:
        fail("management_token: not set; make one with: openssl rand -base64 32")


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
    from tollkeeper_server.process.signals import RunError
    from tollkeeper_server.process.simulate import run_simulator
    from tollkeeper_server.simulator.config import SimulatorConfig

    try:
        run_simulator(host, port, SimulatorConfig(**options), click.echo)
    except (RunError, ValueError) as error:
        fail(str(error))


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"tollkeeper {distribution_version('tollkeeper')}")


for _command in COMMANDS:
    main.add_command(_command)


if __name__ == "__main__":
    main()
