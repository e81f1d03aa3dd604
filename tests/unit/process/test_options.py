"""The command line and the README tell of the same settings, and no secret is an option."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from pydantic import SecretStr
from tollkeeper_server.__main__ import main
from tollkeeper_server.process.options import Setting, described
from tollkeeper_server.settings import ENV_PREFIX, Settings

ROOT = Path(__file__).resolve().parents[3]
OPTIONS = """
    --config --console-address --data-address --data-dir --demo --drain-seconds --grpc-address --grpc-tls
    --log-format --log-level --max-body-bytes --redis --settings --store --takeover --tls --tls-cert --tls-key
"""


def options_of(command: str) -> dict[str, click.Parameter]:
    """Return the options of a command of `tollkeeper`, by their names."""
    return {parameter.opts[0]: parameter for parameter in main.commands[command].params}


def table() -> list[str]:
    """Return the lines of the README's table of settings."""

    def code(text: str) -> str:
        return f"`{text}`" if text else ""

    rows = [
        f"| {code(it.name.upper())} | {code(it.flags.partition('/')[0] if it.is_option else '')} "
        f"| {code(it.default) or 'none'} | {it.explanation} |"
        for it in described()
    ]
    return ["| setting | option | default | what it is |", "|---|---|---|---|", *rows]


def test_the_readme_has_the_table_of_the_settings() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("\n## Configuration\n")[2].partition("\n## ")[0]
    if [line for line in section.splitlines() if line.startswith("|")] != table():
        pytest.fail("make this the README's table of settings:\n\n" + "\n".join(table()), pytrace=False)


@pytest.mark.parametrize("command", ["serve", "check-config"])
def test_a_command_has_these_options(command: str) -> None:
    assert sorted(options_of(command)) == OPTIONS.split()


@pytest.mark.parametrize("setting", described(), ids=lambda it: it.name)
def test_a_setting_is_explained_and_no_secret_is_an_option(setting: Setting) -> None:
    assert setting.explanation.endswith(".")
    assert not (setting.is_option and setting.kind is SecretStr)


@pytest.mark.parametrize("setting", [it for it in described() if it.is_option], ids=lambda it: it.name)
def test_an_option_takes_what_the_setting_does(setting: Setting) -> None:
    option = options_of("serve")[setting.flags.partition("/")[0]]
    default = getattr(Settings(), setting.name)

    assert option.name == setting.name
    assert option.default is None  # else it would go before the environment
    if setting.default:
        assert option.type_cast_value(click.Context(main), setting.default) == default


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


def test_help_shows_each_default() -> None:
    told = " ".join(CliRunner().invoke(main, ["serve", "--help"]).output.split())
    assert all(f"[{it.default or 'none'}]" in told for it in described() if it.is_option)
