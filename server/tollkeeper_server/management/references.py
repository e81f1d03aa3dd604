"""References between entities: unknown and clashing names, and fallbacks in a circle.

Pure. A service asks about the entity that it is about to write, with the others that it read; a whole
configuration is asked at once. Concurrent edits may let through a fault that is refused here: nothing in
a store ties entities together. The snapshot then decides (snapshot/compile.py): unknown names are left
out, and the eldest of those that claim a name has it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from operator import attrgetter

from tollkeeper_server.domain.configuration import Kind
from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.model import Model, Patterns, is_pattern, owners
from tollkeeper_server.domain.traffic import Group
from tollkeeper_server.errors import Reason
from tollkeeper_server.management.addresses import overlap
from tollkeeper_server.management.refusals import Refusals

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem with an entity. `field` is a path within it; `why` is the reason and the remedy."""

    kind: Kind
    name: str
    field: str
    why: str
    reason: Reason = Reason.INVALID_ARGUMENT


@dataclass(frozen=True, slots=True)
class Entities:
    """A configuration: the names of its upstreams, and the rest by name."""

    upstreams: Collection[str]
    groups: Mapping[str, Group]
    models: Mapping[str, Model]
    listeners: Mapping[str, Listener]


def problems(entities: Entities) -> Iterator[Problem]:
    """Yield the problems of a configuration as a whole."""
    for group in entities.groups.values():
        yield from of_group(group, entities.upstreams)
    names = Names(entities.models.values())
    for model in entities.models.values():
        yield from of_model(model, entities.upstreams, entities.groups, names)
    yield from _in_a_circle(entities.models.values(), names)
    by_port: defaultdict[str, list[Listener]] = defaultdict(list)
    for listener in entities.listeners.values():
        by_port[listener.address.rpartition(":")[2]].append(listener)
    for listener in entities.listeners.values():
        yield from of_listener(listener, entities.groups, by_port[listener.address.rpartition(":")[2]])


def refuse(found: Iterable[Problem]) -> None:
    """Raise the first problem's reason, naming every field, if there is one."""
    refusals = Refusals()
    for problem in found:
        refusals.add(problem.field, problem.why, problem.reason)
    refusals.raise_any()


def of_group(group: Group, upstreams: Collection[str]) -> Iterator[Problem]:
    """Yield the members that are unknown."""
    for position, member in enumerate(group.members):
        if member.upstream not in upstreams:
            yield Problem(
                Kind.GROUP,
                group.name,
                f"members[{position}].upstream",
                f"there is no upstream {member.upstream!r}; create it first",
            )


class Names:
    """Whose each name is: models by their own names, aliases and patterns, whether they are active or not."""

    def __init__(self, models: Iterable[Model]) -> None:
        self._models = {model.name: model for model in models}
        self._owners = owners(self._models.values())
        self._patterns = Patterns(it for it in self._models.values() if is_pattern(it.name))
        self._aliases: defaultdict[str, list[Model]] = defaultdict(list)
        for model in self._models.values():
            for alias in model.aliases:
                self._aliases[alias].append(model)

    def resolve(self, name: str) -> Model | None:
        """Return the model that serves a name, as a snapshot finds it."""
        return self._owners.get(name) or self._patterns.match(name)

    def pattern_of(self, start: str) -> Model | None:
        """Return the pattern that serves the names that begin so, but for those that others have."""
        return self._patterns.match(start)

    def other_owner(self, name: str, model: Model) -> Model | None:
        """Return another model that has the name, as its own or as an alias."""
        claims = [*self._aliases.get(name, ()), *filter(None, [self._models.get(name)])]
        others = (it for it in claims if it.name != model.name)
        return min(others, key=attrgetter("created_at", "name"), default=None)

    def fallbacks(self, model: Model) -> list[Model]:
        """Return the models that a model falls back to, as far as they are known."""
        return [found for name in model.fallbacks if (found := self.resolve(name))]


def of_model(
    model: Model, upstreams: Collection[str], groups: Collection[str], names: Names
) -> Iterator[Problem]:
    """Yield unknown upstreams, groups and fallbacks, and names that others have. The model is in `names`."""

    def problem(field: str, why: str, reason: Reason = Reason.INVALID_ARGUMENT) -> Problem:
        return Problem(Kind.MODEL, model.name, field, why, reason)

    for field, name in (("name", model.name), *(("aliases", alias) for alias in model.aliases)):
        owner = names.other_owner(name, model)
        if owner is not None:
            whose = (
                "there is a model of that name" if owner.name == name else f"{owner.name!r} has that alias"
            )
            yield problem(field, f"{name!r} is taken: {whose}; use another", Reason.ALREADY_EXISTS)
    for position, deployment in enumerate(model.deployments):
        if deployment.upstream not in upstreams:
            yield problem(
                f"deployments[{position}].upstream",
                f"there is no upstream {deployment.upstream!r}; create it first",
            )
    if model.group and model.group not in groups:
        yield problem("group", f"there is no group {model.group!r}; create it first")
    for position, fallback in enumerate(model.fallbacks):
        if names.resolve(fallback) is None:
            yield problem(f"fallbacks[{position}]", f"no model serves {fallback!r}; create one first")


def circle_from(model: Model, names: Names) -> Iterator[Problem]:
    """Yield the problem of a model whose fallbacks lead into a circle."""
    reached = {model.name: model}
    waiting = [model]
    while waiting:
        for found in names.fallbacks(waiting.pop()):
            if found.name not in reached:
                reached[found.name] = found
                waiting.append(found)
    for problem in _in_a_circle(reached.values(), names):
        yield Problem(Kind.MODEL, model.name, problem.field, problem.why)


def _in_a_circle(models: Iterable[Model], names: Names) -> Iterator[Problem]:
    sorter = TopologicalSorter(
        {model.name: [found.name for found in names.fallbacks(model)] for model in models}
    )
    try:
        sorter.prepare()
    except CycleError as error:
        # The sorter lists a model after its fallback; the order here is that of falling back.
        circle: list[str] = error.args[1][::-1]
        shown = circle if len(circle) <= _SHOWN else [*circle[:_SHOWN], "...", circle[-1]]
        yield Problem(
            Kind.MODEL,
            circle[0],
            "fallbacks",
            f"these lead back to where they began: {' -> '.join(shown)}; take one of them out",
        )


def of_listener(listener: Listener, groups: Collection[str], others: Iterable[Listener]) -> Iterator[Problem]:
    """Yield unknown groups, and an address that another listener has. The listener may be in `others`."""

    def problem(field: str, why: str, reason: Reason = Reason.INVALID_ARGUMENT) -> Problem:
        return Problem(Kind.LISTENER, listener.name, field, why, reason)

    for other in others:
        if other.name != listener.name and overlap(listener.address, other.address):
            yield problem(
                "address",
                f"{listener.address} is taken: listener {other.name} has {other.address}; use another",
                Reason.ALREADY_EXISTS,
            )
    if listener.default_group and listener.default_group not in groups:
        yield problem("default_group", f"there is no group {listener.default_group!r}; create it first")
    for position, rule in enumerate(listener.rules):
        if rule.group not in groups:
            yield problem(f"rules[{position}].group", f"there is no group {rule.group!r}; create it first")
