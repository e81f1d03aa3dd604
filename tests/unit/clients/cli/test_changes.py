"""What an application changed is told in lines that are read at a glance."""

import pytest
from tollkeeper import AppliedConfiguration, ChangeAction, ConfigurationChange, FieldChange, KeptEntity
from tollkeeper.cli.changes import describe, show_changes
from tollkeeper.cli.output import Output


def change(
    action: ChangeAction, *fields: FieldChange, name: str = "main", secret: str = ""
) -> ConfigurationChange:
    return ConfigurationChange(kind="group", name=name, action=action, fields=fields, secret=secret)


def test_each_change_has_a_line_and_each_field_that_was_there_another() -> None:
    field = FieldChange("policy.strategy", '"round_robin"', '"failover"')

    assert describe(change(ChangeAction.CREATE, field)) == ["+ group main"]
    assert describe(change(ChangeAction.DELETE, field)) == ["- group main"]
    assert describe(change(ChangeAction.UPDATE, field)) == [
        "~ group main",
        '    policy.strategy: "round_robin" -> "failover"',
    ]
    assert describe(change(ChangeAction.UNKNOWN)) == ["? group main"]


def test_what_was_or_will_not_be_there_is_none_and_what_is_long_is_cut() -> None:
    lines = describe(change(ChangeAction.UPDATE, FieldChange("a", "", "1"), FieldChange("b", "x" * 300, "")))

    assert lines[1:] == ["    a: none -> 1", f"    b: {'x' * 200}… -> none"]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("true", "", "true -> false"),
        ("", "true", "false -> true"),
        ("false", "", "false -> true"),
        ("", "false", "true -> false"),
    ],
)
def test_a_switch_is_on_or_off_and_never_none(before: str, after: str, told: str) -> None:
    assert describe(change(ChangeAction.UPDATE, FieldChange("a", before, after)))[1:] == [f"    a: {told}"]


def test_nothing_that_a_terminal_obeys_is_printed() -> None:
    shown = "".join(describe(change(ChangeAction.UPDATE, FieldChange("a", "\x1b[31m", ""), name="\x1b[0m")))

    assert "\x1b" not in shown


def test_the_difference_is_on_stdout_and_the_rest_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    applied = AppliedConfiguration((change(ChangeAction.CREATE, secret="sk-tk-1"),), 2)

    show_changes(Output(as_json=False), applied, dry_run=True)
    out, err = capsys.readouterr()
    assert out == "+ group main\n    secret, shown this once: sk-tk-1\n"
    assert "dry run" in err

    show_changes(Output(as_json=False), AppliedConfiguration((), 2), dry_run=True)
    assert capsys.readouterr() == ("nothing to change\n", "")


def test_what_was_kept_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    kept = (KeptEntity("upstream", "a", "the groups g, h"), KeptEntity("group", "g", "the models \x1b[31m"))

    show_changes(Output(as_json=False), AppliedConfiguration((), 2, kept), dry_run=False)

    out, err = capsys.readouterr()
    assert out == "nothing to change\n"
    assert err.startswith("kept, because it is used: upstream a, by the groups g, h; group g, by the models ")
    assert err.count("\n") == 1
    assert "\x1b" not in err


def test_programs_get_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    show_changes(Output(as_json=True), AppliedConfiguration((change(ChangeAction.CREATE),), 2), dry_run=False)

    assert '"action": "create"' in capsys.readouterr().out


def test_that_fields_are_not_known_is_told() -> None:
    unknown = ConfigurationChange(
        kind="model", name="m", action=ChangeAction.UPDATE, fields=(), secret="", without_fields=True
    )

    assert describe(unknown) == [
        "~ model m",
        "    the history does not have its fields: the revision changed very many entities",
    ]
