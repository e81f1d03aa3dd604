"""Makes whole projects of their descriptions, keys sealed."""

from datetime import datetime

import msgspec
from tollkeeper.v1 import configuration_service_pb2 as pb

from tollkeeper_server.domain.ids import Prefix, new_id
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.token import mask
from tollkeeper_server.store.sealed import Sealer, UnsealError, project_api_key


class ProjectBuilder:
    """Makes projects."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def build(
        self, described: pb.ConfiguredProject, *, now: datetime, previous: Project | None = None
    ) -> Project:
        """Returns the project that a description stands for.

        With `previous` it takes the place of that one: it has its id, times and revision, and what the
        description leaves out. A description of the previous one gives an equal value.
        """
        project = previous or Project(
            id=new_id(Prefix.PROJECT), name=described.name, created_at=now, updated_at=now
        )
        if described.HasField("is_active") and described.is_active != project.is_active:
            project = msgspec.structs.replace(
                project,
                is_active=described.is_active,
                deactivated_at=None if described.is_active else now,
            )
        if described.api_key and described.api_key != self._key_of(project):
            project = msgspec.structs.replace(
                project,
                api_key=self._sealer.seal(described.api_key, project_api_key(project.id)),
                api_key_hint=mask(described.api_key),
            )
        return project

    def _key_of(self, project: Project) -> str | None:
        if project.api_key is None:
            return None
        try:
            return self._sealer.open(project.api_key, project_api_key(project.id))
        except UnsealError:
            return None  # under a key that is gone: it is replaced
