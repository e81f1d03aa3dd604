"""Calls of upstreams that the management plane asks for."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from tollkeeper_server.dataplane.call.model_lists import ModelLists
from tollkeeper_server.dataplane.call.tester import UpstreamTester
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.domain.upstream_testing import UpstreamTestResult
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.providers.model_list import UNKNOWN_TIME
from tollkeeper_server.snapshot.model import Snapshot, Target


class DataPlaneCaller:
    """Calls upstreams by the data plane's parts. `target_of` compiles one that need not be saved."""

    def __init__(
        self,
        tester: UpstreamTester,
        lists: ModelLists,
        current: Callable[[], Snapshot],
        target_of: Callable[[Upstream], Target],
    ) -> None:
        self._tester = tester
        self._lists = lists
        self._current = current
        self._target_of = target_of

    async def test(self, upstream: Upstream) -> Sequence[UpstreamTestResult]:
        """Return every step of a test of an upstream, which need not be saved."""
        return await self._tester.test(self._target_of(upstream))

    async def models(self, name: str) -> Mapping[str, datetime | None]:
        """Return the models that an active upstream lists, each with when it was made, if it says so.

        Raises UPSTREAM_INVALID if there is no list, and NOT_FOUND if this process does not know the upstream.
        """
        target = self._current().targets.get(name)
        if target is None:
            raise TollkeeperError(
                Reason.NOT_FOUND,
                f"name: the upstream {name!r} is not known to this process yet; try again shortly",
                field="name",
            )
        if not target.list_url:
            raise TollkeeperError(
                Reason.UPSTREAM_INVALID, f"the upstream {name!r} has no list of models at its API"
            )
        found, problem = await self._lists.of_own(target)
        if problem and not found:
            raise TollkeeperError(
                Reason.UPSTREAM_INVALID, f"the upstream {name!r} does not list its models: {problem}"
            )
        return {model: None if made == UNKNOWN_TIME else made for model, made in found.items()}
