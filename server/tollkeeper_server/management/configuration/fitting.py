"""Whether entities fit together as they will be: each name that one refers to is there."""

from tollkeeper_server.domain.configuration import Kind
from tollkeeper_server.domain.model import Model
from tollkeeper_server.management import references
from tollkeeper_server.management.configuration.kinds import ROOT, Kinds, OfKind
from tollkeeper_server.management.refusals import Refusals


def check_references(kinds: Kinds, refusals: Refusals) -> None:
    """Refuse what would not fit together, in the descriptions or because of them.

    Raises `TollkeeperError` that names all of it.
    """
    found = list(references.problems(kinds.entities(after=True)))
    paths = {
        (kept.kind.value, name): path
        for kept in (kinds.groups, kinds.models, kinds.listeners)
        for name, path in kept.paths.items()
    }
    for problem in found:
        path = paths.get((problem.kind.value, problem.name))
        if path:
            refusals.add(f"{path}.{problem.field}", problem.why, problem.reason)
    if any(it.kind is Kind.MODEL for it in found):
        _check_circles(kinds.models, refusals)
    refusals.raise_any()
    known = set(references.problems(kinds.entities(after=False)))
    for problem in found:
        if problem not in known:
            why = f"{problem.kind} {problem.name}, which stays, has in {problem.field}: {problem.why}"
            refusals.add(ROOT, why, problem.reason)
    refusals.raise_any()


def _check_circles(models: OfKind[Model], refusals: Refusals) -> None:
    """Refuse descriptions that lead into a circle, wherever that was seen first."""
    names = references.Names(models.after.values())
    for name, path in models.paths.items():
        for problem in references.circle_from(models.after[name], names):
            refusals.add(f"{path}.{problem.field}", problem.why)
