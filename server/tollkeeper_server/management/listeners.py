"""ListenerService: the data plane's ports, each with routing rules and limits of its own."""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial

import msgspec
from tollkeeper.v1 import listener_service_pb2 as pb

from tollkeeper_server.coordination.ports import Change, Changes
from tollkeeper_server.domain.listener import RESERVED_NAMES, IpLimit, Listener, Rule
from tollkeeper_server.domain.traffic import Group
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.addresses import overlap, parse_address
from tollkeeper_server.management.etags import check, edit, etag_of, remove
from tollkeeper_server.management.masks import fields_to_change, require_values
from tollkeeper_server.management.messages import duration, seconds, timestamp
from tollkeeper_server.management.paging import every, last_key, next_page, page_size, present
from tollkeeper_server.management.references import of_listener, refuse
from tollkeeper_server.snapshot.rules import RuleError, compile_rules
from tollkeeper_server.store.ports import ConfigurationStore

PortCheck = Callable[[str], str | None]
"""Tells why an address, `IP:PORT`, can't be listened on; None if it can, or is already. It does not wait."""

_HEAD_TIMEOUT = 10.0
_RULE_FIELDS = ("group", "path", "header", "value", "pattern", "strip_prefix")


def build_listener(
    request: pb.CreateListenerRequest, *, now: datetime, previous: Listener | None = None
) -> Listener:
    """Returns the listener that a request describes, whole.

    With `previous` it takes the place of that one: it has its times and revision. Raises INVALID_ARGUMENT.
    """
    if request.name in RESERVED_NAMES:
        raise TollkeeperError(
            Reason.INVALID_ARGUMENT,
            f"name: {request.name} is one of the gateway's own listeners; choose another name",
            field="name",
        )
    listener = previous or Listener(name=request.name, address="", created_at=now, updated_at=now)
    return msgspec.structs.replace(
        listener,
        address=parse_address(request.address),
        default_group=request.default_group,
        rules=_rules(request.rules),
        ip_limit=_ip_limit(request),
        head_timeout_seconds=_head_timeout(request),
        is_active=request.is_active if request.HasField("is_active") else True,
    )


def _rules(written: Iterable[pb.Rule]) -> tuple[Rule, ...]:
    rules = tuple(Rule(**{name: getattr(it, name) for name in _RULE_FIELDS}) for it in written)
    try:
        compile_rules(rules)
    except RuleError as error:
        field = f"rules[{error.index}].{error.field}"
        raise TollkeeperError(Reason.INVALID_ARGUMENT, f"{field}: {error.why}", field=field) from error
    return rules


def _ip_limit(request: pb.CreateListenerRequest | pb.UpdateListenerRequest) -> IpLimit | None:
    if not request.HasField("ip_limit"):
        return None
    return IpLimit(**{field.name: value for field, value in request.ip_limit.ListFields()})


def _head_timeout(request: pb.CreateListenerRequest | pb.UpdateListenerRequest) -> float:
    return seconds(request.head_timeout) if request.HasField("head_timeout") else _HEAD_TIMEOUT


def listener_message(listener: Listener) -> pb.Listener:
    """Returns a listener as callers see it."""
    limit = listener.ip_limit
    return pb.Listener(
        name=listener.name,
        address=listener.address,
        default_group=listener.default_group,
        rules=[pb.Rule(**{name: getattr(it, name) for name in _RULE_FIELDS}) for it in listener.rules],
        ip_limit=pb.IpLimit(per_second=limit.per_second, burst=limit.burst) if limit else None,
        head_timeout=duration(listener.head_timeout_seconds),
        is_active=listener.is_active,
        created_at=timestamp(listener.created_at),
        updated_at=timestamp(listener.updated_at),
        etag=etag_of(listener),
    )


class Listeners:
    """Implements `tollkeeper.v1.ListenerService`.

    That groups exist and addresses are free is checked before a listener is written. What edits at the
    same time may let through is in `references.py`; a port that was taken meanwhile is told by whoever
    opens it.
    """

    def __init__(
        self,
        store: ConfigurationStore,
        changes: Changes,
        clock: Callable[[], datetime],
        port_check: PortCheck,
    ) -> None:
        self._store = store
        self._changes = changes
        self._clock = clock
        self._port_check = port_check

    async def create_listener(self, request: pb.CreateListenerRequest) -> pb.CreateListenerResponse:
        """Adds a listener."""
        listener = build_listener(request, now=self._clock())
        # Before its address: that may well be the one that the present one listens on.
        if await self._store.get(Listener, listener.name) is not None:
            raise TollkeeperError(
                Reason.ALREADY_EXISTS,
                f"name: there is a listener {listener.name!r} already; use another name",
                field="name",
            )
        await self._check_references(listener)
        if listener.is_active:
            self._check_port(listener.address)
        await self._store.add(listener)
        await self._changes.publish(Change())
        return pb.CreateListenerResponse(listener=listener_message(listener))

    async def get_listener(self, request: pb.GetListenerRequest) -> pb.GetListenerResponse:
        """Reads a listener."""
        return pb.GetListenerResponse(listener=listener_message(await self._find(request.name)))

    async def list_listeners(self, request: pb.ListListenersRequest) -> pb.ListListenersResponse:
        """Reads a page of listeners."""
        size = page_size(request)
        found = await self._store.list(Listener, after=last_key(request), limit=size + 1)
        page, following = next_page(request, found, size, lambda listener: listener.name)
        return pb.ListListenersResponse(
            listeners=[listener_message(listener) for listener in page], next_page_token=following
        )

    async def update_listener(self, request: pb.UpdateListenerRequest) -> pb.UpdateListenerResponse:
        """Changes a listener."""
        changing = fields_to_change(request, identity="name")
        require_values(request, changing, "address", "is_active")
        fields: dict[str, object] = {}
        if "address" in changing:
            fields["address"] = parse_address(request.address)
        if "default_group" in changing:
            fields["default_group"] = request.default_group
        if "rules" in changing:
            fields["rules"] = _rules(request.rules)
        if "ip_limit" in changing:
            fields["ip_limit"] = _ip_limit(request)
        if "head_timeout" in changing:
            fields["head_timeout_seconds"] = _head_timeout(request)
        if "is_active" in changing:
            fields["is_active"] = request.is_active

        async def change(listener: Listener) -> Listener:
            changed = msgspec.structs.replace(listener, **fields)
            if fields.keys() & {"address", "default_group", "rules"}:
                await self._check_references(changed)
            # What it gives up at the same time can't be in its way.
            gives_way = listener.is_active and overlap(listener.address, changed.address)
            if changed.is_active and not gives_way:
                self._check_port(changed.address)
            return changed

        before, listener = await edit(
            lambda: self._find(request.name),
            change,
            self._store.replace,
            etag=request.etag,
            now=self._clock(),
        )
        if listener is not before:
            await self._changes.publish(Change())
        return pb.UpdateListenerResponse(listener=listener_message(listener))

    async def delete_listener(self, request: pb.DeleteListenerRequest) -> pb.DeleteListenerResponse:
        """Removes a listener."""
        check(await self._find(request.name), request.etag)
        await remove(
            lambda: self._find(request.name), partial(self._store.delete, Listener), etag=request.etag
        )
        await self._changes.publish(Change())
        return pb.DeleteListenerResponse()

    async def _find(self, name: str) -> Listener:
        listener = await self._store.get(Listener, name)
        if listener is None:
            raise TollkeeperError(Reason.NOT_FOUND, f"name: there is no listener {name!r}", field="name")
        return listener

    async def _check_references(self, listener: Listener) -> None:
        named = {rule.group for rule in listener.rules} | {listener.default_group} - {""}
        others = [it async for it in every(partial(self._store.list, Listener), lambda it: it.name)]
        refuse(of_listener(listener, await present(partial(self._store.get, Group), named), others))

    def _check_port(self, address: str) -> None:
        problem = self._port_check(address)
        if problem is not None:
            raise TollkeeperError(Reason.INVALID_ARGUMENT, f"address: {problem}", field="address")
