"""The changes that make the present configuration as a described one. Pure: it reads and writes nothing.

Problems are reported by path, such as `configuration.groups[2].members[0].upstream`.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

import msgspec
from tollkeeper.v1 import configuration_service_pb2 as pb

from tollkeeper_server.domain.configuration import Batch, Configuration, Deletion, Entity, Kind
from tollkeeper_server.domain.gateway import GATEWAY, Gateway
from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.traffic import Group
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.management import uses
from tollkeeper_server.management.configuration.described import describe
from tollkeeper_server.management.configuration.differences import differences
from tollkeeper_server.management.configuration.fitting import check_references
from tollkeeper_server.management.configuration.kinds import ROOT, OfKind, kinds_of
from tollkeeper_server.management.configuration.listening import opening, securing
from tollkeeper_server.management.configuration.pruning import users_of_models
from tollkeeper_server.management.editors import ProjectEditor, with_activity
from tollkeeper_server.management.gateway import changed
from tollkeeper_server.management.groups import build_group
from tollkeeper_server.management.listeners import build_listener
from tollkeeper_server.management.messages import fields_of
from tollkeeper_server.management.models import build_model
from tollkeeper_server.management.refusals import Refusals
from tollkeeper_server.management.upstream_builder import UpstreamBuilder

_SECRETS = ("api_key", "proxy_url", "client_key")

_E = TypeVar("_E", Upstream, Group, Model, Listener)
_P = TypeVar("_P", Upstream, Group, Model, Listener, Project, Gateway)


class _Described(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def validate_only(self) -> bool: ...


_R = TypeVar("_R", bound=_Described)
_R_contra = TypeVar("_R_contra", bound=_Described, contravariant=True)


class _Build(Protocol[_R_contra, _E]):
    """Makes an entity of its description; with `previous` it takes the place of that one."""

    def __call__(self, request: _R_contra, /, *, now: datetime, previous: _E | None = None) -> _E: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes to write, and the report of them.

    `projects` are the described projects as they will be, in their order. `opening` are the addresses that
    will newly be listened on, by the paths of the listeners' descriptions. `securing` are the paths of `tls`
    of listeners that will newly speak TLS. `kept` was not pruned, as it is used.
    """

    batch: Batch
    changes: list[pb.ConfigurationChange]
    projects: list[Project]
    opening: dict[str, str]
    securing: list[str]
    kept: list[pb.KeptEntity]


class Planner:
    """Plans one application of a described configuration to the present one."""

    def __init__(
        self, current: Configuration, *, now: datetime, upstreams: UpstreamBuilder, projects: ProjectEditor
    ) -> None:
        """Take the present configuration, and the builders of entities that have secrets."""
        self._now = now
        self._build_upstream = upstreams.build
        self._project_editor = projects
        self._kinds = kinds_of(current)
        self._projects = current.projects
        self._gateway = current.gateway
        self._refusals = Refusals()
        self._puts: dict[tuple[Kind, str], Entity] = {}
        self._changes: list[pb.ConfigurationChange] = []
        self._deletions: list[Deletion] = []
        self._kept: list[pb.KeptEntity] = []

    def plan(
        self, wanted: pb.Configuration, *, prune: bool = False, prune_kinds: Collection[str] = ()
    ) -> Plan:
        """Return the changes. Raises `TollkeeperError` naming all that is wrong.

        With `prune` what is not described goes, of the kinds that are described and of `prune_kinds`.
        """
        self._describe(self._kinds.upstreams, wanted.upstreams, self._build_upstream)
        self._leave_one_default(wanted)
        self._describe(self._kinds.groups, wanted.groups, build_group)
        self._describe(self._kinds.models, wanted.models, build_model)
        self._describe(self._kinds.listeners, wanted.listeners, build_listener)
        self._describe_gateway(wanted)
        projects = self._describe_projects(wanted)
        self._refusals.raise_any()
        if prune:
            self._prune(prune_kinds)
        check_references(self._kinds, self._refusals)
        return Plan(
            Batch(puts=tuple(self._puts.values()), deletions=tuple(self._deletions)),
            self._changes,
            projects,
            opening(self._kinds.listeners),
            securing(self._kinds.listeners),
            self._kept,
        )

    def _describe(
        self,
        kept: OfKind[_E],
        described: Sequence[_R],
        build: _Build[_R, _E],
    ) -> None:
        for index, request in enumerate(described):
            path = f"{ROOT}.{kept.kind}s[{index}]"
            if request.name in kept.paths:
                self._refusals.add(f"{path}.name", f"{kept.paths[request.name]} has it, too; leave one out")
                continue
            kept.paths[request.name] = path
            if request.validate_only:
                why = "belongs to the call that creates one; leave it out, and give dry_run to check all"
                self._refusals.add(f"{path}.validate_only", why)
            before = kept.before.get(request.name)
            try:
                after = build(request, now=self._now, previous=before)
            except TollkeeperError as error:
                self._refusals.add_error(path, error)
            else:
                self._keep(kept, after)

    def _keep(self, kept: OfKind[_E], after: _E) -> None:
        before = kept.before.get(after.name)
        if after != before:
            kept.after[after.name] = self._put(kept.kind, after.name, before, after)

    def _put(self, kind: Kind, key: str, before: _P | None, after: _P) -> _P:
        """Note an entity's new value and the difference; return it as it is to be stored."""
        if before is not None:
            after = msgspec.structs.replace(
                after, updated_at=max(self._now, after.updated_at), revision=before.revision + 1
            )
        self._puts[kind, key] = after
        self._changes.append(
            pb.ConfigurationChange(
                kind=kind,
                name=after.name,
                action=pb.CHANGE_ACTION_UPDATE if before else pb.CHANGE_ACTION_CREATE,
                fields=differences(
                    describe(before) if before else None, describe(after), secrets=_secrets(before, after)
                ),
            )
        )
        return after

    def _leave_one_default(self, wanted: pb.Configuration) -> None:
        """Take the default from the present upstream if a described one gets it."""
        named = [f"{ROOT}.upstreams[{index}]" for index, it in enumerate(wanted.upstreams) if it.is_default]
        for path in named[1:]:
            self._refusals.add(f"{path}.is_default", f"{named[0]} is the default, and there is but one")
        if not named:
            return
        for upstream in self._kinds.upstreams.before.values():
            if upstream.is_default and upstream.name not in self._kinds.upstreams.paths:
                self._keep(self._kinds.upstreams, msgspec.structs.replace(upstream, is_default=False))

    def _describe_projects(self, wanted: pb.Configuration) -> list[Project]:
        named: dict[str, list[Project]] = {}
        for project in self._projects:
            named.setdefault(project.name, []).append(project)
        paths: dict[str, str] = {}
        projects = []
        for index, described in enumerate(wanted.projects):
            path = f"{ROOT}.projects[{index}]"
            found = named.get(described.name, [])
            if described.name in paths:
                self._refusals.add(f"{path}.name", f"{paths[described.name]} has it, too; leave one out")
            elif len(found) > 1:
                why = f"{len(found)} projects have that name; rename them, so that each has one of its own"
                self._refusals.add(f"{path}.name", why)
            else:
                with self._refusals.collect(path):
                    projects.append(self._describe_project(described, found[0] if found else None))
            paths[described.name] = path
        return projects

    def _describe_project(self, described: pb.ConfiguredProject, before: Project | None) -> Project:
        """Return the project as it will be; its key and whether it is active stay if they are left out."""
        after = before or self._project_editor.new(described.name, self._now)
        if described.HasField("is_active"):
            after = with_activity(after, described.is_active, self._now)
        after = msgspec.structs.replace(
            after, **fields_of(Project, described, only=["description", "labels", "limits"])
        )
        if described.api_key:
            after = self._project_editor.with_key(after, described.api_key)
        if after == before:
            return after
        return self._put(Kind.PROJECT, after.id, before, after)

    def _describe_gateway(self, wanted: pb.Configuration) -> None:
        if not wanted.HasField("gateway"):
            return
        before = self._gateway
        with self._refusals.collect(f"{ROOT}.gateway"):
            after = changed(before, self._now, **fields_of(Gateway, wanted.gateway))
            if before.is_stored and after != before:
                self._put(Kind.GATEWAY, GATEWAY, before, after)
            elif after != before:
                after = msgspec.structs.replace(after, updated_at=self._now, revision=1)
                self._put(Kind.GATEWAY, GATEWAY, None, after)

    def _prune(self, kinds: Collection[str]) -> None:
        """Remove what is not described, of the kinds that are and of `kinds`, but for what is used."""
        own = self._kinds
        models, groups, listeners = own.models.after, own.groups.after, own.listeners.after
        fallen_back_to = users_of_models(models, self._not_described(own.models, kinds))

        def users_of_model(name: str) -> uses.Users:
            return {"models": fallen_back_to.get(name, [])}

        def users_of_group(name: str) -> uses.Users:
            return uses.by_kind(uses.of_group(name, models.values(), listeners.values()))

        def users_of_upstream(name: str) -> uses.Users:
            return uses.by_kind(uses.of_upstream(name, models.values(), groups.values()))

        # The users first: what goes uses nothing.
        self._remove(own.listeners, kinds, lambda _: {})
        self._remove(own.models, kinds, users_of_model)
        self._remove(own.groups, kinds, users_of_group)
        self._remove(own.upstreams, kinds, users_of_upstream)

    @staticmethod
    def _not_described(kept: OfKind[_E], kinds: Collection[str]) -> set[str]:
        return kept.before.keys() - kept.paths.keys() if kept.paths or kept.kind in kinds else set()

    def _remove(
        self, kept: OfKind[_E], kinds: Collection[str], users_of: Callable[[str], uses.Users]
    ) -> None:
        for name in sorted(self._not_described(kept, kinds)):
            used_by = uses.told(users_of(name))
            if used_by:
                self._kept.append(pb.KeptEntity(kind=kept.kind, name=name, used_by=used_by))
                continue
            del kept.after[name]
            # The default may have been taken from it.
            if self._puts.pop((kept.kind, name), None) is not None:
                self._changes = [it for it in self._changes if (it.kind, it.name) != (kept.kind, name)]
            self._deletions.append(Deletion(kept.kind, name))
            self._changes.append(
                pb.ConfigurationChange(
                    kind=kept.kind,
                    name=name,
                    action=pb.CHANGE_ACTION_DELETE,
                    fields=differences(describe(kept.before[name]), None),
                )
            )


def _secrets(before: Entity | None, after: Entity) -> list[str]:
    """Return the secrets that differ."""
    return [
        name
        for name in _SECRETS
        if before is not None and getattr(before, name, None) != getattr(after, name, None)
    ]
