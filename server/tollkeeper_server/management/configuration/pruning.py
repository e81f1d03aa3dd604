"""What pruning keeps among models, whose fallbacks are models: they stay together."""

from collections import deque
from collections.abc import Collection, Mapping

from tollkeeper_server.domain.model import Model
from tollkeeper_server.management.references import Names


def users_of_models(models: Mapping[str, Model], doomed: Collection[str]) -> dict[str, list[str]]:
    """Return the users of doomed models: those that stay and fall back to them, and nobody else does.

    A model that has a user stays, too, and uses those that it falls back to.
    """
    every = Names(models.values())
    waiting = deque(it for name, it in sorted(models.items()) if name not in doomed)
    staying = Names(waiting)
    users: dict[str, list[str]] = {}
    while waiting:
        model = waiting.popleft()
        for fallback in model.fallbacks:
            found = every.resolve(fallback) if staying.resolve(fallback) is None else None
            if found is None:
                continue
            if found.name not in users:
                waiting.append(found)
            users.setdefault(found.name, []).append(model.name)
    return users
