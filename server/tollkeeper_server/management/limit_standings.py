"""LimitService: how limits stand, and the notices of budgets that are nearly used up."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

from msgspec import Struct
from tollkeeper.messages import write
from tollkeeper.v1 import configuration_service_pb2
from tollkeeper.v1 import limit_service_pb2 as pb

from tollkeeper_server.domain.explanation import ExplainedReservation
from tollkeeper_server.domain.gateway import GATEWAY, Gateway
from tollkeeper_server.domain.limit import Limit, Scope, ScopeKind
from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.standing import BudgetNotice, LimitStanding
from tollkeeper_server.domain.token import Token
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.limits import show_usual
from tollkeeper_server.management.messages import fields_of
from tollkeeper_server.management.paging import DEFAULT_PAGE, last_key, next_page, page_size
from tollkeeper_server.management.standings import AllStandings, Standings
from tollkeeper_server.management.usage_names import Directory, Names
from tollkeeper_server.store.ports import ConfigurationStore, NoticeStore, TokenStore


class _Asked(Struct, frozen=True):
    """What a request asks for. No scope is all of them."""

    scope: ScopeKind | None = None


class LimitService:
    """Implements `tollkeeper.v1.LimitService`."""

    def __init__(
        self,
        configuration: ConfigurationStore,
        tokens: TokenStore,
        directory: Directory,
        notices: NoticeStore,
        standings: Standings,
    ) -> None:
        self._configuration = configuration
        self._tokens = tokens
        self._directory = directory
        self._notices = notices
        self._standings = standings

    async def list_limit_standings(
        self, request: pb.ListLimitStandingsRequest
    ) -> pb.ListLimitStandingsResponse:
        """Read how limits stand."""
        kind = _Asked(**fields_of(_Asked, request, only=("scope",))).scope
        if kind is None:
            looked_at = await self._standings.all()
        else:
            scope = Scope(kind, request.scope_id)
            found = await self._standings.of(scope, await self._limits(scope))
            looked_at = AllStandings(found, tokens_left_out=False)
        wanted = [it for it in looked_at.standings if not request.budgets_only or it.limit.measure.is_budget]
        page = wanted[: request.max_results or DEFAULT_PAGE]
        names = await names_of(self._directory, page)
        return pb.ListLimitStandingsResponse(
            standings=[with_name(it, write(it, pb.LimitStanding(), scope_name=""), names) for it in page],
            total=len(wanted),
            tokens_left_out=looked_at.tokens_left_out,
        )

    async def list_budget_notices(self, request: pb.ListBudgetNoticesRequest) -> pb.ListBudgetNoticesResponse:
        """Read a page of notices."""
        size = page_size(request)
        found = await self._notices.list(before=last_key(request), limit=size + 1)
        page, following = next_page(request, found, size, lambda it: it.id)
        names = await names_of(self._directory, page)
        return pb.ListBudgetNoticesResponse(
            notices=[with_name(it, _notice_message(it), names) for it in page], next_page_token=following
        )

    async def _limits(self, scope: Scope) -> Sequence[Limit]:
        """Return the limits of a scope, as they are stored. Raises NOT_FOUND."""
        found: Listener | Project | Model | Token | None
        match scope.kind:
            case ScopeKind.GATEWAY:
                gateway = await self._configuration.get(Gateway, GATEWAY)
                return gateway.limits if gateway is not None else ()
            case ScopeKind.LISTENER:
                found = await self._configuration.get(Listener, scope.id)
            case ScopeKind.PROJECT:
                found = await self._configuration.get(Project, scope.id)
            case ScopeKind.MODEL:
                found = await self._configuration.get(Model, scope.id)
            case ScopeKind.TOKEN:
                found = await self._tokens.get(scope.id)
        if found is None:
            raise TollkeeperError(Reason.NOT_FOUND, f"there is no {scope.words}", field="scope_id")
        return found.limits


Scoped = LimitStanding | BudgetNotice | ExplainedReservation
M = TypeVar("M", pb.LimitStanding, pb.BudgetNotice, configuration_service_pb2.ExplainedReservation)


async def names_of(directory: Directory, of: Sequence[Scoped]) -> Names:
    """Return the names of the projects and tokens that limits stand on."""
    return await directory.names(
        [it.scope_id for it in of if it.scope is ScopeKind.PROJECT],
        [it.scope_id for it in of if it.scope is ScopeKind.TOKEN],
    )


def with_name(of: Scoped, message: M, names: Names) -> M:
    """Have a message tell the name of what its limit stands on, and money in dollars."""
    known = {ScopeKind.PROJECT: names.projects, ScopeKind.TOKEN: names.tokens}.get(of.scope, {})
    message.scope_name = known.get(of.scope_id, "")
    show_usual([message.limit], is_description=False)
    return message


def _notice_message(notice: BudgetNotice) -> pb.BudgetNotice:
    begun = datetime.fromtimestamp(notice.period, UTC) if notice.period else None
    return write(notice, pb.BudgetNotice(), period_start=begun, scope_name="")
