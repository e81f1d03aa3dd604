"""`tollkeeper import` prints our file on standard output, and all that is to be said on standard error."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tollkeeper.cli.importing import import_
from tollkeeper.configuration import parse_document

LLMPROXY = "upstreams: [{name: a, url: 'https://h/v1', auth: {type: bearer, token: canary-1}}]\nx: 1\n"
MODELS = (
    '[{"id": "m", "instances": [{"id": "i", "provider": "openai", "openai_organization": null, '
    '"openai_api_key": "${KEY}"}]}]'
)


def run(*arguments: str, stdin: str | bytes = "") -> Result:
    return CliRunner().invoke(import_, arguments, input=stdin, env={"KEY": None})


def test_secrets_are_references_unless_asked_for() -> None:
    hidden, shown = (
        run("llmproxy", "-", stdin=LLMPROXY),
        run("llmproxy", "-", "--with-secrets", stdin=LLMPROXY),
    )

    assert parse_document(hidden.stdout).upstreams[0].api_key == "${A_API_KEY}"
    assert "note: set A_API_KEY" in hidden.stderr
    assert "note: x: has no counterpart" in hidden.stderr
    assert "canary" not in hidden.output
    assert parse_document(shown.stdout).upstreams[0].api_key == "canary-1"


def test_files_are_told_apart_by_what_is_in_them(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KEY=canary-2\nAUTH_METHOD=apikey\n")
    (tmp_path / "models.json").write_text(MODELS)
    (tmp_path / "identities.json").write_text('[{"id": "app", "auth_key": "canary-3"}]')
    names = [str(tmp_path / it) for it in (".env", "identities.json", "models.json")]

    done = run("llamaxing", *names)

    assert done.exit_code == 0, done.stderr
    found = parse_document(done.stdout)
    assert (found.models[0].name, found.projects[0].name) == ("m", "app")
    assert "canary" not in done.output
    assert "canary-2" in run("llamaxing", *names, "--with-secrets").stdout
    (tmp_path / ".env").write_text("AUTH_METHOD=api-key\n")
    assert f"{', '.join(names)}: AUTH_METHOD: must be one of" in run("llamaxing", *names).stderr


def test_an_environment_is_imported_from_standard_input() -> None:
    done = run("llamakey", "-", stdin="export OPENAI_API_KEY=canary #x\n")

    assert parse_document(done.stdout).upstreams[0].api_key == "${OPENAI_API_KEY}"
    assert "canary" not in done.output


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "problem"),
    [
        (("llmproxy", "-"), "upstreams: [{name: a}]", 1, "standard input: upstreams[0].url: is required"),
        (("llmproxy", "-"), b"\xff", 1, "standard input: not UTF-8 at byte 0"),
        (("llmproxy", "-"), "#" * 10_000_001, 1, "more than 10,000,000 bytes"),
        (("llamaxing", "-"), "[{]", 1, "not valid JSON"),
        (("llamaxing",), "", 2, "Missing argument"),
        (("llmproxy", "/no/such/file"), "", 2, "does not exist"),
        (("llamakey", "-", "--dry-run"), "", 2, "--dry-run goes with --apply"),
        (("llamaxing", "-", "--apply"), MODELS, 1, "upstreams[0].api_key: the environment has no KEY"),
    ],
)
def test_what_can_not_be_imported_is_said(
    arguments: tuple[str, ...], stdin: str | bytes, code: int, problem: str
) -> None:
    done = run(*arguments, stdin=stdin)

    assert done.exit_code == code
    assert problem in done.stderr
    assert done.stdout == ""
