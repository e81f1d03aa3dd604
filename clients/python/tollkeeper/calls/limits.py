"""The calls of LimitService."""

from tollkeeper.calls.rpc import Pages, Rpc, pages, rpc
from tollkeeper.messages import fill
from tollkeeper.v1 import limit_service_pb2 as pb
from tollkeeper.values.limits import BudgetNotice, LimitScope, LimitStandings


def list_limit_standings(
    scope: LimitScope | None = None,
    scope_id: str = "",
    /,
    *,
    budgets_only: bool = False,
    max_results: int = 0,
) -> Rpc[LimitStandings]:
    """Return how the limits of one scope stand, or up to `max_results` of all, the nearest to them first.

    `scope_id` is the id of a project or token, the name of a listener or model, and empty for the gateway;
    `max_results` is the gateway's choice if 0. Raises `NotFound` if there is no such thing.
    """
    request = fill(
        pb.ListLimitStandingsRequest(),
        scope=scope,
        scope_id=scope_id,
        budgets_only=budgets_only,
        max_results=max_results,
    )
    return rpc(request, LimitStandings)


def list_budget_notices(*, page_size: int = 0) -> Pages[BudgetNotice]:
    """Iterate over the notices of budgets that have reached a threshold, newest first."""
    return pages(fill(pb.ListBudgetNoticesRequest(), page_size=page_size), BudgetNotice)
