"""What is done with an upstream beside changing it: tests, its breaker, its own list of models."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from tollkeeper.messages import write
from tollkeeper.v1 import upstream_service_pb2 as pb

from tollkeeper_server.coordination.ports import Change, Changes
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.domain.upstream_testing import UpstreamModel, UpstreamTestOutcome, UpstreamTestResult
from tollkeeper_server.errors import Reason, TollkeeperError, invalid_argument
from tollkeeper_server.management import named
from tollkeeper_server.management.upstream_builder import UpstreamBuilder
from tollkeeper_server.store.ports import ConfigurationStore


class UpstreamCaller(Protocol):
    """Calls upstreams as the data plane does."""

    async def test(self, upstream: Upstream) -> Sequence[UpstreamTestResult]:
        """Return every step of a test of an upstream, which need not be saved."""

    async def models(self, name: str) -> Mapping[str, datetime | None]:
        """Return the models that an active upstream lists, each with when it was made, if it says so.

        Raises UPSTREAM_INVALID if there is no list, and NOT_FOUND if this process does not know the upstream.
        """


class UpstreamActions:
    """Does what UpstreamService is asked for beside changing upstreams."""

    def __init__(
        self,
        store: ConfigurationStore,
        builder: UpstreamBuilder,
        changes: Changes,
        clock: Callable[[], datetime],
        caller: UpstreamCaller,
    ) -> None:
        self._store = store
        self._builder = builder
        self._changes = changes
        self._clock = clock
        self._caller = caller

    async def test(self, request: pb.TestUpstreamRequest) -> pb.TestUpstreamResponse:
        """Test a saved upstream, or one that need not be saved."""
        if request.name:
            upstream = await named.find(self._store, Upstream, request.name)
        else:
            described, now = request.upstream, self._clock()
            if described.validate_only:
                raise invalid_argument("upstream.validate_only", "a test stores nothing anyway; leave it out")
            saved = await self._store.get(Upstream, described.name)
            upstream = await asyncio.to_thread(self._builder.build, described, now=now, previous=saved)
        steps = await self._caller.test(upstream)
        return pb.TestUpstreamResponse(
            passed=all(it.outcome is not UpstreamTestOutcome.FAILED for it in steps),
            steps=[write(it, pb.UpstreamTestResult()) for it in steps],
        )

    async def reset_breaker(self, request: pb.ResetBreakerRequest) -> pb.ResetBreakerResponse:
        """Have every process that hears of it reset a breaker."""
        await self._active(request.name)
        await self._changes.publish(Change(breaker=request.name))
        return pb.ResetBreakerResponse()

    async def models(self, request: pb.ListUpstreamModelsRequest) -> pb.ListUpstreamModelsResponse:
        """List what an upstream lists."""
        await self._active(request.name)
        found = await self._caller.models(request.name)
        models = [UpstreamModel(name=name, created_at=made) for name, made in sorted(found.items())]
        return pb.ListUpstreamModelsResponse(models=[write(it, pb.UpstreamModel()) for it in models])

    async def _active(self, name: str) -> None:
        if not (await named.find(self._store, Upstream, name)).is_active:
            raise TollkeeperError(
                Reason.NOT_FOUND,
                f"name: the upstream {name!r} is not active; activate it first",
                field="name",
            )
