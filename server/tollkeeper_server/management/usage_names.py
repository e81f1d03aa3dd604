"""The present names of the projects and tokens that usage is of."""

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial

from msgspec import Struct

from tollkeeper_server.domain.project import Project
from tollkeeper_server.management.paging import every
from tollkeeper_server.store.ports import ConfigurationStore, TokenStore

_FEW = 20
_AT_ONCE = 1000


class Names(Struct, frozen=True):
    """Names by id; what is gone has none."""

    projects: Mapping[str, str]
    tokens: Mapping[str, str]


NO_NAMES = Names({}, {})


class Directory:
    """Looks names up."""

    def __init__(self, configuration: ConfigurationStore, tokens: TokenStore) -> None:
        self._configuration = configuration
        self._tokens = tokens

    async def names(self, project_ids: Iterable[str], token_ids: Iterable[str]) -> Names:
        """Return the names of projects and tokens."""
        projects, tokens = (sorted({*ids} - {""}) for ids in (project_ids, token_ids))
        found: dict[str, str] = {}
        for first in range(0, len(tokens), _AT_ONCE):
            found |= await self._tokens.names(tokens[first : first + _AT_ONCE])
        return Names(await self._project_names(projects), found)

    async def _project_names(self, ids: list[str]) -> dict[str, str]:
        if len(ids) <= _FEW:
            found = await asyncio.gather(*(self._configuration.get(Project, it) for it in ids))
            return {project.id: project.name for project in found if project is not None}
        read = partial(self._configuration.list, Project)
        return {project.id: project.name async for project in every(read, lambda it: it.id)}
