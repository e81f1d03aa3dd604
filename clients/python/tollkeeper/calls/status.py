"""The calls of StatusService."""

from tollkeeper.calls.rpc import Pages, Rpc, Stream, pages, rpc, rpc_of_list, stream_anew
from tollkeeper.messages import fill
from tollkeeper.v1 import status_service_pb2 as pb
from tollkeeper.values.status import (
    Attention,
    ListenerStatus,
    ProcessStatus,
    Setting,
    StatusNews,
    UpstreamStatus,
)


def get_status() -> Rpc[ProcessStatus]:
    """Read how the process that answers is."""
    return rpc(pb.GetStatusRequest(), ProcessStatus)


def list_upstream_status(*, page_size: int = 0) -> Pages[UpstreamStatus]:
    """Iterate over the active upstreams by name, as the process that answers each page sees them.

    Pages are of `page_size`, the gateway's choice if 0.
    """
    return pages(fill(pb.ListUpstreamStatusRequest(), page_size=page_size), UpstreamStatus)


def list_listener_status() -> Rpc[tuple[ListenerStatus, ...]]:
    """Read the ports of the process that answers, those that are not open first."""
    return rpc_of_list(pb.ListListenerStatusRequest(), ListenerStatus)


def list_settings() -> Rpc[tuple[Setting, ...]]:
    """Read the settings of the process that answers, by name; secrets are masked."""
    return rpc_of_list(pb.ListSettingsRequest(), Setting)


def list_attention() -> Rpc[tuple[Attention, ...]]:
    """Read what needs attention, the most severe first, at most 1,000 things."""
    return rpc_of_list(pb.ListAttentionRequest(), Attention)


def watch_status() -> Stream[StatusNews]:
    """Iterate over how the process that answers is: at first whole, and then what has changed, without end.

    A breaker's change is told at once, everything else within about a second. A connection that is lost is
    made again, and the whole comes again, maybe of another process: see `is_start`. Only if the first
    connection can't be made, `Unavailable` is raised.
    """
    return stream_anew(pb.WatchStatusRequest(), StatusNews, lambda news: news != _NO_NEWS)


_NO_NEWS = StatusNews()
