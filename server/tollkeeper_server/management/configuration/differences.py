"""Differences between two descriptions of an entity."""

import json
from collections.abc import Iterable, Iterator

from google.protobuf.message import Message
from tollkeeper.configuration import Value, as_values
from tollkeeper.v1 import configuration_service_pb2 as pb

from tollkeeper_server.domain.hidden_values import FIELDS, changed_unseen, hide


def differences(
    before: Message | None, after: Message | None, *, secrets: Iterable[str] = ()
) -> list[pb.FieldChange]:
    """Return the fields that differ, by their paths; None describes an entity that is not there.

    `secrets` are fields that differ although they look alike: only hints of secrets are shown, and no
    values of headers.
    """
    old = as_values(before) if before else {}
    new = as_values(after) if after else {}
    # Of a list with entries that differ and look alike, all is told, as the history must.
    unseen = [it for it in FIELDS if changed_unseen(it, old.get(it), new.get(it))]
    secrets = dict.fromkeys((*secrets, *unseen))
    found = [it for it in _of_mappings("", old, new) if it[0].partition("[")[0] not in secrets]
    found += [(name, old.get(name), new.get(name)) for name in secrets]
    return [
        pb.FieldChange(field=field, before=in_json(hide(field, one)), after=in_json(hide(field, other)))
        for field, one, other in found
        if field != "name"
    ]


_Difference = tuple[str, Value | None, Value | None]


def _of_mappings(path: str, old: dict[str, Value], new: dict[str, Value]) -> Iterator[_Difference]:
    for name in dict.fromkeys((*old, *new)):
        yield from _of(f"{path}.{name}" if path else name, old.get(name), new.get(name))


def _of(path: str, old: Value | None, new: Value | None) -> Iterator[_Difference]:
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _of_mappings(path, old, new)
    elif isinstance(old, list) and isinstance(new, list) and any(isinstance(it, dict) for it in (*old, *new)):
        yield from _of_lists(path, old, new)
    else:
        yield path, old, new


def _of_lists(path: str, old: list[Value], new: list[Value]) -> Iterator[_Difference]:
    """Yield the entries between what both begin with and what both end with."""
    shorter = min(len(old), len(new))
    start = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    end = next((at for at in range(shorter - start) if old[-1 - at] != new[-1 - at]), shorter - start)
    changed, now = old[start : len(old) - end], new[start : len(new) - end]
    for at in range(max(len(changed), len(now))):
        yield (
            f"{path}[{start + at}]",
            changed[at] if at < len(changed) else None,
            now[at] if at < len(now) else None,
        )


def in_json(value: object) -> str:
    """Return a value as JSON, empty for none."""
    return "" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
