"""ConfigurationService: the configuration as a whole."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import partial

from tollkeeper.v1 import configuration_service_pb2 as pb
from tollkeeper.v1.group_service_pb2 import CreateGroupRequest
from tollkeeper.v1.listener_service_pb2 import CreateListenerRequest
from tollkeeper.v1.model_service_pb2 import CreateModelRequest
from tollkeeper.v1.upstream_service_pb2 import CreateUpstreamRequest

from tollkeeper_server.coordination.ports import Change, Changes
from tollkeeper_server.domain.project import Project
from tollkeeper_server.errors import SHORTLY_SECONDS, Reason, TollkeeperError
from tollkeeper_server.management.configuration.described import export
from tollkeeper_server.management.configuration.explaining import Explainer, explain_request
from tollkeeper_server.management.configuration.history import diff_revisions, list_revisions
from tollkeeper_server.management.configuration.planning import Plan, Planner
from tollkeeper_server.management.configuration.referring import References
from tollkeeper_server.management.configuration.tokens import ConfiguredTokens
from tollkeeper_server.management.editors import ProjectEditor, TokenEditor
from tollkeeper_server.management.listeners import PortCheck
from tollkeeper_server.management.paging import every
from tollkeeper_server.management.refusals import Refusals
from tollkeeper_server.management.upstream_builder import UpstreamBuilder
from tollkeeper_server.management.usage_names import Directory
from tollkeeper_server.store.ports import ConfigurationStore, RevisionStore, TokenStore

_ATTEMPTS = 20
_RACES = 3


class ConfigurationService:
    """Implements `tollkeeper.v1.ConfigurationService`.

    All but tokens is written as one, if no other caller wrote meanwhile; else it is planned again. Tokens
    are written after it, one by one: should that break off, applying the same again does the rest.
    """

    def __init__(
        self,
        store: ConfigurationStore,
        stored_tokens: TokenStore,
        revisions: RevisionStore,
        upstreams: UpstreamBuilder,
        projects: ProjectEditor,
        tokens: TokenEditor,
        changes: Changes,
        clock: Callable[[], datetime],
        port_check: PortCheck,
        tls_problem: str | None,
        explain: Explainer,
    ) -> None:
        self._store = store
        self._upstreams = upstreams
        self._projects = projects
        self._stored_tokens = stored_tokens
        self._revisions = revisions
        self._tokens = ConfiguredTokens(stored_tokens, tokens)
        self._changes = changes
        self._clock = clock
        self._port_check = port_check
        self._tls_problem = tls_problem
        self._explain = explain
        self._directory = Directory(store, stored_tokens)
        self._references = References(store, stored_tokens)
        self._applying = asyncio.Lock()

    async def apply_configuration(
        self, request: pb.ApplyConfigurationRequest
    ) -> pb.ApplyConfigurationResponse:
        """Make the configuration as it is described."""
        async with self._applying:
            for attempt in range(_ATTEMPTS):
                try:
                    answer = await self._apply(request)
                except TollkeeperError as error:
                    # Another process may have made the same token after it was looked for.
                    if error.reason is not Reason.ALREADY_EXISTS or error.violations or attempt > _RACES:
                        raise
                else:
                    if answer is not None:
                        return answer
        raise TollkeeperError(
            Reason.ETAG_MISMATCH,
            "others keep changing the configuration at the same time; try again",
            retry_after=SHORTLY_SECONDS,
        )

    async def export_configuration(self, _: pb.ExportConfigurationRequest) -> pb.ExportConfigurationResponse:
        """Describe the configuration."""
        current = await self._store.read()
        names = Counter(project.name for project in current.projects)
        projects = [await self._export_project(it) for it in current.projects if names[it.name] == 1]
        described = export(current.gateway, pb.ConfiguredGateway())
        return pb.ExportConfigurationResponse(
            configuration=pb.Configuration(
                upstreams=[export(it, CreateUpstreamRequest()) for it in current.upstreams],
                groups=[export(it, CreateGroupRequest()) for it in current.groups],
                models=[export(it, CreateModelRequest()) for it in current.models],
                listeners=[export(it, CreateListenerRequest()) for it in current.listeners],
                projects=projects,
                gateway=described if described.limits else None,
            ),
            revision=current.revision,
        )

    async def list_references(self, request: pb.ListReferencesRequest) -> pb.ListReferencesResponse:
        """Read a page of what refers to an entity."""
        return await self._references.page(request)

    async def list_revisions(self, request: pb.ListRevisionsRequest) -> pb.ListRevisionsResponse:
        """Read a page of the history."""
        return await list_revisions(self._revisions, request)

    async def diff_revisions(self, request: pb.DiffRevisionsRequest) -> pb.DiffRevisionsResponse:
        """Return the differences between two revisions."""
        return await diff_revisions(self._revisions, self._store, request)

    async def explain_request(self, request: pb.ExplainRequestRequest) -> pb.ExplainRequestResponse:
        """Return where a request would go."""
        return await explain_request(self._explain, self._directory, request)

    async def _apply(self, request: pb.ApplyConfigurationRequest) -> pb.ApplyConfigurationResponse | None:
        """Apply the described configuration; return None if another caller wrote meanwhile."""
        wanted, now = request.configuration, self._clock()
        current = await self._store.read()
        planner = Planner(current, now=now, upstreams=self._upstreams, projects=self._projects)
        # Ten thousand rules take a while; others are served meanwhile.
        plan = await asyncio.to_thread(
            planner.plan, wanted, prune=request.prune, prune_kinds=request.prune_kinds
        )
        tokens = await self._tokens.plan(wanted.projects, plan.projects, now)
        await self._check_ports(plan)
        changes = [*plan.changes, *(it.change(reveals=not request.dry_run) for it in tokens)]
        if request.dry_run:
            return pb.ApplyConfigurationResponse(changes=changes, kept=plan.kept, revision=current.revision)
        if plan.batch.puts or plan.batch.deletions:
            if not await self._store.write(plan.batch, expected=current.revision):
                return None
            await self._changes.publish(Change())
        for token in tokens:
            await self._tokens.write(token, now)
        revision = await self._store.revision()
        return pb.ApplyConfigurationResponse(changes=changes, kept=plan.kept, revision=revision)

    async def _check_ports(self, plan: Plan) -> None:
        refusals = Refusals()
        for path, address in plan.opening.items():
            problem = await asyncio.to_thread(self._port_check, address)
            if problem is not None:
                refusals.add(path, problem)
        if self._tls_problem is not None:
            for path in plan.securing:
                refusals.add(path, self._tls_problem)
        refusals.raise_any()

    async def _export_project(self, project: Project) -> pb.ConfiguredProject:
        described = export(project, pb.ConfiguredProject())
        read = partial(self._stored_tokens.list, project_id=project.id)
        tokens = [it async for it in every(read, lambda it: it.id) if it.is_active]
        names = Counter(token.name for token in tokens)
        described.tokens.extend(
            export(it, pb.ConfiguredToken())
            for it in tokens
            if it.name and names[it.name] == 1 and it.expires_at is None
        )
        return described
