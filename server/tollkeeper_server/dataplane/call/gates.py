"""How much of one kind of work a project may have under way: what is beyond that waits."""

import asyncio
from weakref import WeakValueDictionary


class ProjectGates:
    """A gate for each project, through which `at_once` may go at the same time."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._gates: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def of(self, project_id: str) -> asyncio.Semaphore:
        """Return the project's gate. It is forgotten when nobody holds a reference to it."""
        return self._gates.setdefault(project_id, asyncio.Semaphore(self._at_once))
