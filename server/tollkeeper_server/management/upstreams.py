"""UpstreamService: the provider endpoints that requests are forwarded to."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import msgspec
from tollkeeper.messages import write
from tollkeeper.v1 import upstream_service_pb2 as pb

from tollkeeper_server.coordination.ports import Change, Changes
from tollkeeper_server.domain.connect_failure import ConnectFailure
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.traffic import Group
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management import named, uses
from tollkeeper_server.management.etags import check
from tollkeeper_server.management.masks import fields_to_change, require_values
from tollkeeper_server.management.messages import show
from tollkeeper_server.management.upstream_actions import UpstreamActions
from tollkeeper_server.management.upstream_builder import UpstreamBuilder
from tollkeeper_server.store.ports import ConfigurationStore

_NEVER_EMPTY = (
    "provider",
    "is_active",
    "is_default",
    "omit_stream_options",
    "keep_path",
    "list_models",
    "ca_only",
)
ConnectFailureOf = Callable[[str], ConnectFailure | None]
"""Returns the latest connection to an upstream that failed, None if none did in this process."""


class UpstreamService:
    """Implements `tollkeeper.v1.UpstreamService`.

    At most one upstream is the default. A new default is written before the one it replaces gives up;
    should the server die in between, the one that was written last is the default to every reader, and
    the next edit of it finishes the replacement. What edits at the same time may let through of an upstream
    that is used and deleted is in `references.py`.
    """

    def __init__(
        self,
        store: ConfigurationStore,
        builder: UpstreamBuilder,
        changes: Changes,
        clock: Callable[[], datetime],
        connect_failure: ConnectFailureOf,
        actions: UpstreamActions,
    ) -> None:
        self._store = store
        self._builder = builder
        self._changes = changes
        self._clock = clock
        self._connect_failure = connect_failure
        self._actions = actions

    async def create_upstream(self, request: pb.CreateUpstreamRequest) -> pb.CreateUpstreamResponse:
        """Add an upstream."""
        now = self._clock()
        upstream = await _beside(request, lambda: self._builder.build(request, now=now))
        if upstream.is_default:
            upstream = msgspec.structs.replace(upstream, updated_at=await self._after_defaults(now))
        await self._store.add(upstream)
        await self._announce(upstream)
        return pb.CreateUpstreamResponse(upstream=self._shown(upstream))

    async def get_upstream(self, request: pb.GetUpstreamRequest) -> pb.GetUpstreamResponse:
        """Read an upstream."""
        found = await named.find(self._store, Upstream, request.name)
        return pb.GetUpstreamResponse(upstream=self._shown(found))

    async def list_upstreams(self, request: pb.ListUpstreamsRequest) -> pb.ListUpstreamsResponse:
        """Read a page of upstreams."""
        listed = await named.page(self._store, Upstream, request)
        return pb.ListUpstreamsResponse(
            upstreams=[self._shown(upstream) for upstream in listed.entries],
            next_page_token=listed.next_page_token,
            total_size=listed.total_size,
        )

    async def update_upstream(self, request: pb.UpdateUpstreamRequest) -> pb.UpdateUpstreamResponse:
        """Change an upstream."""
        changing = fields_to_change(request)
        require_values(request, changing, *_NEVER_EMPTY)
        now = self._clock()

        async def change(upstream: Upstream) -> Upstream:
            changed = await _beside(request, lambda: self._builder.change(upstream, request, changing))
            if changed.is_default and changed != upstream:
                after = await self._after_defaults(now)
                changed = msgspec.structs.replace(changed, updated_at=after)
            return changed

        before, upstream = await named.edit(
            self._store, Upstream, request.name, change, etag=request.etag, now=now
        )
        if upstream is not before or upstream.is_default:
            await self._announce(upstream)
        return pb.UpdateUpstreamResponse(upstream=self._shown(upstream))

    async def delete_upstream(self, request: pb.DeleteUpstreamRequest) -> pb.DeleteUpstreamResponse:
        """Remove an upstream that neither a model nor a group uses."""
        check(await named.find(self._store, Upstream, request.name), request.etag)
        users = uses.of_upstream(
            request.name,
            await named.every(self._store, Model),
            await named.every(self._store, Group),
        )
        uses.refuse_users(f"upstream {request.name}", uses.by_kind(users))
        await named.remove(self._store, Upstream, request.name, etag=request.etag)
        await self._changes.publish(Change())
        return pb.DeleteUpstreamResponse()

    async def test_upstream(self, request: pb.TestUpstreamRequest) -> pb.TestUpstreamResponse:
        """Test an upstream."""
        return await self._actions.test(request)

    async def reset_breaker(self, request: pb.ResetBreakerRequest) -> pb.ResetBreakerResponse:
        """Reset the breaker of an upstream."""
        return await self._actions.reset_breaker(request)

    async def list_upstream_models(
        self, request: pb.ListUpstreamModelsRequest
    ) -> pb.ListUpstreamModelsResponse:
        """List the models that an upstream lists."""
        return await self._actions.models(request)

    def _shown(self, upstream: Upstream) -> pb.Upstream:
        shown = show(upstream, pb.Upstream())
        failure = self._connect_failure(upstream.name)
        if failure is not None:
            write(failure, shown.connect_failure)
        return shown

    async def _after_defaults(self, now: datetime) -> datetime:
        """Return a time after every default was last changed, by any clock."""
        changed = [
            upstream.updated_at + datetime.resolution
            for upstream in await named.every(self._store, Upstream)
            if upstream.is_default
        ]
        return max([now, *changed])

    async def _announce(self, written: Upstream) -> None:
        """Leave one default, if the written upstream is one, and publish the change."""
        if written.is_default:
            every_default = [
                upstream for upstream in await named.every(self._store, Upstream) if upstream.is_default
            ]
            # Of several that were made the default at the same time the latest stays, whichever of
            # their writers comes here last.
            latest = max(every_default, key=_age, default=written)
            for upstream in every_default:
                if upstream.name != latest.name:
                    await self._demote(upstream.name, latest)
        await self._changes.publish(Change())

    async def _demote(self, name: str, successor: Upstream) -> None:
        async def change(upstream: Upstream) -> Upstream:
            if not upstream.is_default or _age(upstream) > _age(successor):
                return upstream
            return msgspec.structs.replace(upstream, is_default=False)

        try:
            await named.edit(self._store, Upstream, name, change, now=self._clock())
        except TollkeeperError as error:
            if error.reason is not Reason.NOT_FOUND:  # deleted meanwhile: it gave up in its own way
                raise


async def _beside(
    request: pb.CreateUpstreamRequest | pb.UpdateUpstreamRequest, make: Callable[[], Upstream]
) -> Upstream:
    """Return the upstream that `make` makes, in a thread if the request has certificates to check."""
    if request.ca_certificates or request.client_certificate or request.client_key:
        return await asyncio.to_thread(make)
    return make()


def _age(upstream: Upstream) -> tuple[datetime, str]:
    return upstream.updated_at, upstream.name
