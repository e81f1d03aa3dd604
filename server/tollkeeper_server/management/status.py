"""StatusService: how the process that answers is, and what it sees."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from tollkeeper.messages import write
from tollkeeper.v1 import status_service_pb2 as pb

from tollkeeper_server.management.observer import Observer
from tollkeeper_server.management.paging import last_key, next_page, page_size
from tollkeeper_server.management.status_feed import StatusFeed

_MOST_ATTENTION = 1000


class StatusService:
    """Implements `tollkeeper.v1.StatusService`."""

    def __init__(self, observer: Observer, feed: StatusFeed) -> None:
        self._observer = observer
        self._feed = feed

    async def get_status(self, request: pb.GetStatusRequest) -> pb.GetStatusResponse:  # noqa: ARG002 - the service's signature
        """Read how this process is."""
        return pb.GetStatusResponse(status=write(await self._observer.process(), pb.ProcessStatus()))

    async def list_upstream_status(
        self, request: pb.ListUpstreamStatusRequest
    ) -> pb.ListUpstreamStatusResponse:
        """Read a page of how upstreams are."""
        size = page_size(request)
        found = list(self._observer.upstreams(after=last_key(request), limit=size + 1))
        page, following = next_page(request, found, size, lambda it: it.name)
        return pb.ListUpstreamStatusResponse(
            upstreams=[write(it, pb.UpstreamStatus()) for it in page], next_page_token=following
        )

    async def list_listener_status(
        self,
        request: pb.ListListenerStatusRequest,  # noqa: ARG002 - the service's signature
    ) -> pb.ListListenerStatusResponse:
        """Read how the ports are."""
        found = self._observer.listeners()
        return pb.ListListenerStatusResponse(listeners=[write(it, pb.ListenerStatus()) for it in found])

    async def list_settings(self, request: pb.ListSettingsRequest) -> pb.ListSettingsResponse:  # noqa: ARG002 - the service's signature
        """Read the settings."""
        return pb.ListSettingsResponse(settings=[write(it, pb.Setting()) for it in self._observer.settings()])

    async def list_attention(self, request: pb.ListAttentionRequest) -> pb.ListAttentionResponse:  # noqa: ARG002 - the service's signature
        """Read what needs attention."""
        found = await self._observer.attention(await self._observer.process(), _MOST_ATTENTION)
        return pb.ListAttentionResponse(attention=[write(it, pb.Attention()) for it in found])

    async def watch_status(self, request: pb.WatchStatusRequest) -> AsyncGenerator[pb.WatchStatusResponse]:  # noqa: ARG002 - the service's signature
        """Yield how this process is, and what changes of it."""
        async with aclosing(self._feed.watch()) as watched:
            async for news in watched:
                yield news
