"""The calls of ListenerService."""

from typing import Unpack

from tollkeeper.calls.rpc import Pages, Rpc, change, pages, rpc, rpc_without_answer, settle
from tollkeeper.changes import ListenerChanges, ListenerSettings
from tollkeeper.messages import fill
from tollkeeper.v1 import listener_service_pb2 as pb
from tollkeeper.values.traffic import Listener


def create_listener(
    *, name: str, address: str, validate_only: bool = False, **settings: Unpack[ListenerSettings]
) -> Rpc[Listener]:
    """Add a listener and open its port, unless `is_active` is false. `address` is `HOST:PORT`.

    Raises `InvalidArgument` if the port can't be opened. `head_timeout` is how long a caller may take to
    send a request's head. With `tls` the port speaks TLS, with the certificate of the process.
    """
    request = fill(
        pb.CreateListenerRequest(), name=name, address=address, is_active=True, validate_only=validate_only
    )
    return rpc(settle(request, settings), Listener)


def get_listener(name: str, /) -> Rpc[Listener]:
    """Read one listener."""
    return rpc(fill(pb.GetListenerRequest(), name=name), Listener)


def list_listeners(
    *,
    search: str = "",
    order_by: str = "",
    is_active: bool | None = None,
    with_total: bool = False,
    page_size: int = 0,
) -> Pages[Listener]:
    """Iterate over listeners by name, fetching pages of `page_size` (the gateway's choice if 0).

    `search` leaves out those that have it in none of: name, address. `order_by` is name,
    created_at or updated_at, with " desc" behind it for the reverse.
    `is_active` leaves out the others.
    `with_total` makes the iterator know the length of the list.
    """
    request = fill(
        pb.ListListenersRequest(),
        search=search,
        order_by=order_by,
        is_active=is_active,
        with_total=with_total,
        page_size=page_size,
    )
    return pages(request, Listener)


def update_listener(
    name: str, /, *, etag: str = "", validate_only: bool = False, **changes: Unpack[ListenerChanges]
) -> Rpc[Listener]:
    """Change the fields that are given; None leaves a field alone; `Removal.REMOVE` takes an IP limit away.

    Rules are replaced as a whole. With `etag`, raises `Aborted` if the listener was changed since it was
    read.
    """
    return rpc(
        change(fill(pb.UpdateListenerRequest(), name=name, etag=etag, validate_only=validate_only), changes),
        Listener,
    )


def delete_listener(name: str, /, *, etag: str = "", validate_only: bool = False) -> Rpc[None]:
    """Remove a listener and close its port. Requests under way end as they began."""
    return rpc_without_answer(
        fill(pb.DeleteListenerRequest(), name=name, etag=etag, validate_only=validate_only)
    )
