"""Values of headers, which the configuration alone tells: any may be a credential, by whatever name.

The configuration shows them, as it must to be exported and applied. What only tells of it does not: its
history, differences, and which rule a request matched.
"""

HIDDEN = "****"
"""What stands in the place of such a value."""

# Of the parts of an entity that have headers, the members that are hidden.
_PLACES = {"header_operations": ("value",), "rules": ("value", "pattern")}
FIELDS = tuple(_PLACES)
"""The fields of entities of which something may be hidden."""


def hide(field: str, value: object) -> object:
    """Return the value of an entity's field, as JSON has it, or one of its entries, without what is hidden.

    `field` may be the path of an entry: `rules[2]`.
    """
    members = _PLACES.get(field.partition("[")[0])
    if members is None:
        return value
    if isinstance(value, list | tuple):
        return [_hide(it, members) for it in value]
    return _hide(value, members)


def changed_unseen(field: str, before: object, after: object) -> bool:
    """Return whether entries of an entity's field differ that look alike."""
    old, new = _by_looks(field, before), _by_looks(field, after)
    return any(old[it] != new[it] for it in old.keys() & new.keys())


def _by_looks(field: str, entries: object) -> dict[str, list[object]]:
    found: dict[str, list[object]] = {}
    for entry in entries if isinstance(entries, list | tuple) else ():
        found.setdefault(repr(hide(field, entry)), []).append(entry)
    return found


def _hide(entry: object, members: tuple[str, ...]) -> object:
    if not isinstance(entry, dict):
        return entry
    return entry | {it: HIDDEN for it in members if entry.get(it)}
