"""The command line and the README tell of the same settings, and no secret is an option."""

from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from pydantic import SecretStr
from tollkeeper_server.domain.status import SettingSource
from tollkeeper_server.process.commands import main
from tollkeeper_server.process.options import default_text, described_settings
from tollkeeper_server.settings import ENV_PREFIX, Settings, load_settings

ROOT = Path(__file__).resolve().parents[3]
OPTIONS = [
    "--config",
    "--console-address",
    "--data-address",
    "--data-dir",
    "--data-tls",
    "--demo",
    "--drain-seconds",
    "--grpc-address",
    "--grpc-tls",
    "--log-format",
    "--log-level",
    "--max-body-bytes",
    "--proxy-from-environment",
    "--prune",
    "--redis",
    "--settings",
    "--store",
    "--takeover",
    "--tls",
    "--tls-cert",
    "--tls-key",
    "--workers",
]


def options_of(command: str) -> dict[str, click.Option]:
    """Return the options of a command of `tollkeeper`, by their names."""
    options = [it for it in main.commands[command].params if isinstance(it, click.Option)]
    return {option.opts[0]: option for option in options}


def table() -> list[str]:
    """Return the lines of the README's table of settings."""

    def code(text: str) -> str:
        return f"`{text}`" if text else ""

    names = {parameter.name: flag for flag, parameter in options_of("serve").items()}
    return [
        "| setting | option | default | what it is |",
        "|---|---|---|---|",
        *(
            f"| {code(name.upper())} | {code(names.get(name, ''))} | {code(default_text(field)) or 'none'} "
            f"| {field.description} |"
            for name, field in Settings.model_fields.items()
        ),
    ]


def test_the_readme_has_the_table_of_the_settings() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("\n## Settings\n")[2].partition("\n## ")[0]
    if [line for line in section.splitlines() if line.startswith("|")] != table():
        pytest.fail("make this the README's table of settings:\n\n" + "\n".join(table()), pytrace=False)


@pytest.mark.parametrize("command", ["serve", "check-config"])
def test_a_command_has_these_options(command: str) -> None:
    assert sorted(options_of(command)) == OPTIONS


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_is_explained_and_no_secret_is_an_option(name: str) -> None:
    field = Settings.model_fields[name]
    assert field.description
    assert field.description.endswith(".")
    assert field.annotation != SecretStr | None or f"--{name.replace('_', '-')}" not in options_of("serve")


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_takes_what_the_setting_does(name: str) -> None:
    option = options_of("serve")[name]
    if option.name == "settings_file":
        return
    assert option.default is None  # else it would go before the environment
    field = Settings.model_fields[option.name or ""]
    assert f"[{default_text(field) or 'none'}]" in (option.help or "")
    if default_text(field):
        assert option.type_cast_value(click.Context(main), default_text(field)) == field.default


@pytest.mark.parametrize("arguments", [["version"], ["--version"]])
def test_the_version_is_told(arguments: list[str]) -> None:
    assert CliRunner().invoke(main, arguments).output == f"tollkeeper {version('tollkeeper')}\n"


def test_options_are_settings_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}DEMO", "true")
    monkeypatch.setenv(f"{ENV_PREFIX}LOG_LEVEL", "error")
    told = CliRunner().invoke(
        main, ["check-config", "--grpc-tls", "--no-takeover", "--drain-seconds", "7", "--tls", "self-signed"]
    )
    assert told.exit_code == 0
    lines = told.output.splitlines()
    for line in ("grpc_tls: True", "takeover: False", "drain_seconds: 7.0", "log_level: error", "demo: True"):
        assert line in lines


def test_settings_tell_where_they_come_from_and_no_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("drain_seconds: 5\npoll_seconds: 2\nredis: redis://user:canary-redis@there:6379/0\n")
    monkeypatch.setenv(f"{ENV_PREFIX}SETTINGS", str(file))
    monkeypatch.setenv("MANAGEMENT_TOKEN", "canary-management-token")
    monkeypatch.setenv(f"{ENV_PREFIX}POLL_SECONDS", "3")
    told = {it.name: it for it in described_settings(load_settings({"data_tls": False, "demo": True}))}

    assert list(told) == sorted(Settings.model_fields)
    assert {name: (told[name].value, told[name].source) for name in ("drain_seconds", "poll_seconds")} == {
        "drain_seconds": ("5", SettingSource.FILE),
        "poll_seconds": ("3", SettingSource.ENVIRONMENT),
    }
    assert (told["demo"].value, told["demo"].source) == ("true", SettingSource.OPTION)
    assert (told["store"].source, told["store"].default_value) == (SettingSource.DEFAULT, "sqlite")
    assert told["store"].variable == "TOLLKEEPER_STORE"
    assert told["management_token"].source is SettingSource.ENVIRONMENT
    assert (told["management_token"].is_secret, told["management_token"].value) == (True, "**********")
    assert (told["encryption_key"].is_secret, told["encryption_key"].value) == (True, "")
    assert told["redis"].value == "redis://****@there:6379/0"
    assert "canary" not in repr(told)
