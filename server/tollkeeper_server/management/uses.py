"""The users of an entity: which others refer to it, by which of their fields.

A deletion that is refused for its users, and `ListReferences`, tell of the same ones.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.model import Model, is_pattern
from tollkeeper_server.domain.reference import EntityKind, Reference
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.traffic import Group
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.references import Names

_SHOWN = 10
_MOST_FIELDS = 100
# What an entity is to another that refers to it by a field.
_ROLES = {
    "deployments": "deployment",
    "members": "member",
    "group": "group",
    "fallbacks": "fallback",
    "default_group": "default group",
    "rules": "rule",
    "allowed_models": "allowed model",
    "project_id": "project",
}

Users = Mapping[str, list[str]]
"""The names of those that use an entity, by kind: `models`, `groups`, `listeners`."""


def of_upstream(name: str, models: Iterable[Model], groups: Iterable[Group]) -> Iterator[Reference]:
    """Yield those that use an upstream."""
    for group in groups:
        members = _places("members", ".upstream", (it.upstream == name for it in group.members))
        yield from _user(EntityKind.GROUP, group.name, members)
    for model in models:
        deployments = _places("deployments", ".upstream", (it.upstream == name for it in model.deployments))
        yield from _user(EntityKind.MODEL, model.name, deployments)


def of_group(name: str, models: Iterable[Model], listeners: Iterable[Listener]) -> Iterator[Reference]:
    """Yield those that use a group."""
    for model in models:
        yield from _user(EntityKind.MODEL, model.name, ["group"] if model.group == name else [])
    for listener in listeners:
        default = ["default_group"] if listener.default_group == name else []
        rules = _places("rules", ".group", (it.group == name for it in listener.rules))
        yield from _user(EntityKind.LISTENER, listener.name, [*default, *rules])


def of_model(name: str, models: Collection[Model]) -> Iterator[Reference]:
    """Yield the models that fall back to a model, by whichever of its names."""
    names = Names(models)
    for model in models:
        if model.name != name:
            found = (names.resolve(it) for it in model.fallbacks)
            fallbacks = _places("fallbacks", "", (it is not None and it.name == name for it in found))
            yield from _user(EntityKind.MODEL, model.name, fallbacks)


def of_allowed(entries: Collection[str], tokens: Iterable[Token]) -> Iterator[Reference]:
    """Yield the tokens that have one of the entries in `allowed_models`."""
    for token in tokens:
        allowed = _places("allowed_models", "", (it in entries for it in token.allowed_models))
        yield from _token(token, allowed)


def of_project(tokens: Iterable[Token]) -> Iterator[Reference]:
    """Yield the tokens of a project, given those."""
    for token in tokens:
        yield from _token(token, ["project_id"])


def entries_that_allow(model: Model, models: Iterable[Model]) -> frozenset[str]:
    """Return all that allows a model in a token's `allowed_models`: its names, and patterns of them."""
    names = Names(models)
    asked = [model.name, *(it for it in model.aliases if names.resolve(it) == model)]
    return frozenset(asked) | {f"{name[:end]}*" for name in asked for end in range(len(name) + 1)}


def entries_within(model: Model, models: Iterable[Model], entries: Iterable[str]) -> frozenset[str]:
    """Return those of the entries of `allowed_models` that allow some of the names that a pattern serves.

    They begin as it does: single names that no other model has, and narrower patterns.
    """
    names = Names(models)
    return frozenset(
        it for it in entries if (names.pattern_of(it[:-1]) if is_pattern(it) else names.resolve(it)) == model
    )


def by_kind(references: Iterable[Reference]) -> Users:
    """Return the names of those that prevent a deletion, by kind."""
    users: dict[str, list[str]] = {"models": [], "groups": [], "listeners": []}
    for it in references:
        if it.prevents_deletion:
            users[f"{it.kind}s"].append(it.name)
    return users


def refuse_users(what: str, users: Users, *, field: str = "name") -> None:
    """Raise IN_USE, naming the users by kind, if there are any."""
    used_by = told(users)
    if used_by:
        raise TollkeeperError(
            Reason.IN_USE, f"{field}: {what} is used by {used_by}; change or delete them first", field=field
        )


def told(users: Users) -> str:
    """Return users by kind in words, such as `the models a, b and the groups c`; empty if there are none."""
    return " and ".join(f"the {kind} {_shown(names)}" for kind, names in users.items() if names)


def _shown(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _places(field: str, within: str, refers: Iterable[bool]) -> list[str]:
    return [f"{field}[{position}]{within}" for position, does in enumerate(refers) if does]


def _user(kind: EntityKind, name: str, fields: list[str]) -> Iterator[Reference]:
    if fields:
        yield Reference(
            kind=kind,
            name=name,
            fields=tuple(fields[:_MOST_FIELDS]),
            how=f"{_roles(fields)} of {kind} {name}",
            prevents_deletion=True,
        )


def _token(token: Token, fields: list[str]) -> Iterator[Reference]:
    if fields:
        yield Reference(
            kind=EntityKind.TOKEN,
            id=token.id,
            name=token.name,
            fields=tuple(fields[:_MOST_FIELDS]),
            how=f"{_roles(fields)} of token {token.name or token.id}",
            prevents_deletion=False,
        )


def _roles(fields: Iterable[str]) -> str:
    return " and ".join(dict.fromkeys(_ROLES[field.partition("[")[0]] for field in fields))
