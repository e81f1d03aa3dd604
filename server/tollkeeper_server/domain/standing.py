"""How limits stand, and the notices of budgets that are nearly used up."""

from datetime import datetime

from msgspec import Struct

from tollkeeper_server.domain.limit import Limit, ScopeKind


class LimitStanding(Struct, frozen=True, kw_only=True):
    """How a limit of a scope stands, in the unit of its amount.

    `used` is a budget's alone, `reserved` not a rate's; `left` of a rate is what may pass at once. `share` is
    the part that is not left, from 0 to 1. `resets_at` is when all of it may be reserved again, None if that
    depends on requests. `thresholds` are the percentages that `used` has reached. Where `is_known` is false,
    nobody knows what is used of it.
    """

    scope: ScopeKind
    scope_id: str
    limit: Limit
    is_known: bool = True
    used: int = 0
    reserved: int = 0
    left: int = 0
    share: float = 0.0
    period_start: datetime | None = None
    resets_at: datetime | None = None
    thresholds: tuple[int, ...] = ()


class BudgetNotice(Struct, frozen=True, kw_only=True):
    """Says that a budget has reached `percent` of its amount in a period (`Period`).

    `key` is the budget's. Of a key, a period, an amount and a percentage there is one.
    """

    id: str
    noticed_at: datetime
    key: str
    period: int
    percent: int
    scope: ScopeKind
    scope_id: str
    limit: Limit
    process: str
