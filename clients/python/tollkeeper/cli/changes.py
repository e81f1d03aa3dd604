"""The changes of a configuration, printed for people."""

from tollkeeper.cli.output import Output
from tollkeeper.messages.problems import plain
from tollkeeper.values.configuration import AppliedConfiguration, ChangeAction, ConfigurationChange

SIGNS = {ChangeAction.CREATE: "+", ChangeAction.UPDATE: "~", ChangeAction.DELETE: "-"}
_LONGEST = 200
_OPPOSITE = {"true": "false", "false": "true"}


def show_changes(output: Output, applied: AppliedConfiguration, *, dry_run: bool) -> None:
    """Print the changes: a line each, and one for each field of an entity that was there before."""
    if output.as_json:
        output.item(applied)
        return
    for change in applied.changes:
        for line in describe(change):
            output.done(line)
    if applied.kept:
        kept = "; ".join(f"{it.kind} {plain(it.name)}, by {plain(it.used_by)}" for it in applied.kept)
        output.note(f"kept, because it is used: {kept}")
    if not applied.changes:
        output.done("nothing to change")
    elif dry_run:
        output.note("nothing was changed: this was a dry run")


def describe(change: ConfigurationChange) -> list[str]:
    """Return the lines that tell of a change."""
    lines = [f"{SIGNS.get(change.action, '?')} {change.kind} {plain(change.name)}"]
    if change.without_fields:
        lines.append("    the history does not have its fields: the revision changed very many entities")
    if change.action is ChangeAction.UPDATE:
        for it in change.fields:
            before, after = _switch(it.before, it.after), _switch(it.after, it.before)
            lines.append(f"    {it.field}: {_shown(before)} -> {_shown(after)}")
    if change.secret:
        lines.append(f"    secret, shown this once: {change.secret}")
    return lines


def _switch(value: str, other: str) -> str:
    """Return what a field is; a description leaves out a switch that is as it would be without it."""
    return value or _OPPOSITE.get(other, "")


def _shown(value: str) -> str:
    text = plain(value)
    return text if 0 < len(text) <= _LONGEST else f"{text[:_LONGEST]}…" if text else "none"
