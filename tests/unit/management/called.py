"""A caller of upstreams that finds what a test says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.domain.upstream_testing import (
    UpstreamTestOutcome,
    UpstreamTestResult,
    UpstreamTestStep,
)

PASSED = UpstreamTestResult(
    step=UpstreamTestStep.DNS, outcome=UpstreamTestOutcome.PASSED, duration_seconds=0.25
)
FAILED = UpstreamTestResult(
    step=UpstreamTestStep.CONNECT,
    outcome=UpstreamTestOutcome.FAILED,
    detail="refused",
    remedy="see that it runs",
)


@dataclass
class Called:
    """What calls of upstreams find. `tested` are the upstreams that were tested."""

    lists: Mapping[str, Mapping[str, datetime | None]] = field(default_factory=dict)
    results: Sequence[UpstreamTestResult] = (PASSED,)
    tested: list[Upstream] = field(default_factory=list)

    async def test(self, upstream: Upstream) -> Sequence[UpstreamTestResult]:
        self.tested.append(upstream)
        return self.results

    async def models(self, name: str) -> Mapping[str, datetime | None]:
        return self.lists[name]
