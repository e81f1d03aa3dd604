"""Telling that a budget is nearly used up: once a period for each threshold."""

import logging

from tollkeeper_server.dataplane.budget.refusal import limit_words
from tollkeeper_server.domain.limit import Scope
from tollkeeper_server.domain.standing import BudgetNotice
from tollkeeper_server.ledger.meter import Meter
from tollkeeper_server.ledger.port import Crossed
from tollkeeper_server.telemetry.metrics import Metrics

_log = logging.getLogger("tollkeeper.limits")


class Thresholds:
    """Hears of budgets that have reached a threshold, has it noted, and knows which have."""

    def __init__(self, metrics: Metrics, noted: Crossed) -> None:
        """Take what keeps a notice of each, and has it `told` if it is the first one."""
        self._metrics = metrics
        self._noted = noted
        self.beyond: set[str] = set()
        """The keys of budgets that have. A key goes when its budget is found to have started again."""

    def crossed(self, meter: Meter, reached: int) -> None:
        """Have it noted, as `ledger.port.Crossed` says."""
        self.beyond.add(meter.key)
        self._noted(meter, reached)

    def told(self, notice: BudgetNotice) -> None:
        """Log and count it."""
        words = Scope(notice.scope, notice.scope_id).words
        _log.warning("%s has used %d %% of its %s", words, notice.percent, limit_words(notice.limit))
        self._metrics.crossed(notice.scope, notice.limit.measure, notice.percent)
