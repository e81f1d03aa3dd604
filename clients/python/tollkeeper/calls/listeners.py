"""The calls of ListenerService."""

from collections.abc import Sequence
from datetime import timedelta

from tollkeeper.calls.call import Call, Page, Pages, call, nothing
from tollkeeper.calls.wire import duration, given, mask, moment
from tollkeeper.traffic import IpLimit, Listener, Removal, Rule
from tollkeeper.v1 import listener_service_pb2 as pb

SERVICE = "ListenerService"


def read_listener(listener: pb.Listener) -> Listener:
    """Reads a listener."""
    limit = listener.ip_limit
    return Listener(
        name=listener.name,
        address=listener.address,
        default_group=listener.default_group,
        rules=tuple(
            Rule(
                group=it.group,
                path=it.path,
                header=it.header,
                value=it.value,
                pattern=it.pattern,
                strip_prefix=it.strip_prefix,
            )
            for it in listener.rules
        ),
        ip_limit=IpLimit(per_second=limit.per_second, burst=limit.burst)
        if listener.HasField("ip_limit")
        else None,
        head_timeout=listener.head_timeout.ToTimedelta(),
        is_active=listener.is_active,
        created_at=moment(listener.created_at) if listener.HasField("created_at") else None,
        updated_at=moment(listener.updated_at) if listener.HasField("updated_at") else None,
        etag=listener.etag,
    )


def _write_rules(rules: Sequence[Rule] | None) -> list[pb.Rule] | None:
    if rules is None:
        return None
    return [
        pb.Rule(
            group=it.group,
            path=it.path,
            header=it.header,
            value=it.value,
            pattern=it.pattern,
            strip_prefix=it.strip_prefix,
        )
        for it in rules
    ]


def _write_limit(limit: IpLimit | None) -> pb.IpLimit | None:
    return None if limit is None else pb.IpLimit(per_second=limit.per_second, burst=limit.burst)


def create_listener(
    *,
    name: str,
    address: str,
    default_group: str = "",
    rules: Sequence[Rule] = (),
    ip_limit: IpLimit | None = None,
    head_timeout: timedelta | None = None,
    is_active: bool = True,
) -> Call[Listener]:
    """Adds a listener and opens its port, unless `is_active` is false. `address` is `HOST:PORT`.

    Raises `InvalidArgument` if the port can't be opened. `head_timeout` is how long a caller may take to
    send a request's head.
    """
    request = pb.CreateListenerRequest(
        name=name,
        address=address,
        default_group=default_group,
        rules=_write_rules(rules),
        ip_limit=_write_limit(ip_limit),
        head_timeout=duration(head_timeout),
        is_active=is_active,
    )
    return call(
        SERVICE,
        "CreateListener",
        request,
        pb.CreateListenerResponse,
        lambda answer: read_listener(answer.listener),
    )


def get_listener(name: str, /) -> Call[Listener]:
    """Reads one listener."""
    return call(
        SERVICE,
        "GetListener",
        pb.GetListenerRequest(name=name),
        pb.GetListenerResponse,
        lambda answer: read_listener(answer.listener),
    )


def list_listeners(*, page_size: int = 0) -> Pages[Listener]:
    """Iterates over listeners by name, fetching pages of `page_size` (the gateway's choice if 0)."""

    def at(page_token: str) -> Call[Page[Listener]]:
        return call(
            SERVICE,
            "ListListeners",
            pb.ListListenersRequest(page_size=page_size, page_token=page_token),
            pb.ListListenersResponse,
            lambda answer: Page(tuple(map(read_listener, answer.listeners)), answer.next_page_token),
        )

    return Pages(at)


def update_listener(
    name: str,
    /,
    *,
    address: str | None = None,
    default_group: str | None = None,
    rules: Sequence[Rule] | None = None,
    ip_limit: IpLimit | Removal | None = None,
    head_timeout: timedelta | None = None,
    is_active: bool | None = None,
    etag: str = "",
) -> Call[Listener]:
    """Changes what is given and leaves alone what is None; `Removal.REMOVE` takes an IP limit
    away.

    Rules are replaced as a whole. With `etag`, raises `Aborted` if the listener was changed since it was
    read.
    """
    request = pb.UpdateListenerRequest(
        name=name,
        address=address,
        default_group=default_group,
        rules=_write_rules(rules),
        ip_limit=_write_limit(given(ip_limit)),
        head_timeout=duration(head_timeout),
        is_active=is_active,
        update_mask=mask(
            address=address,
            default_group=default_group,
            rules=rules,
            ip_limit=ip_limit,
            head_timeout=head_timeout,
            is_active=is_active,
        ),
        etag=etag,
    )
    return call(
        SERVICE,
        "UpdateListener",
        request,
        pb.UpdateListenerResponse,
        lambda answer: read_listener(answer.listener),
    )


def delete_listener(name: str, /, *, etag: str = "") -> Call[None]:
    """Removes a listener and closes its port. Requests under way end as they began."""
    return call(
        SERVICE,
        "DeleteListener",
        pb.DeleteListenerRequest(name=name, etag=etag),
        pb.DeleteListenerResponse,
        nothing,
    )
