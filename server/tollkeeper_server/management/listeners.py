"""ListenerService: the data plane's ports, each with routing rules and limits of its own."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from tollkeeper.v1 import listener_service_pb2 as pb

from tollkeeper_server.coordination.ports import Change, Changes
from tollkeeper_server.domain.listener import RESERVED_NAMES, Listener
from tollkeeper_server.domain.traffic import Group
from tollkeeper_server.errors import Reason, TollkeeperError, invalid_argument
from tollkeeper_server.management import named
from tollkeeper_server.management.addresses import overlap, parse_address
from tollkeeper_server.management.etags import check
from tollkeeper_server.management.masks import every_field, fields_to_change, require_values
from tollkeeper_server.management.messages import fields_of, show
from tollkeeper_server.management.references import of_listener, refuse
from tollkeeper_server.management.refusals import Refusals
from tollkeeper_server.snapshot.rules import RuleError, compile_rules
from tollkeeper_server.store.ports import ConfigurationStore

PortCheck = Callable[[str], str | None]
"""Returns why an address, `IP:PORT`, can't be listened on; None if it can, or is already. Does not wait."""


def build_listener(
    request: pb.CreateListenerRequest, *, now: datetime, previous: Listener | None = None
) -> Listener:
    """Return the listener that a request describes, whole.

    With `previous` it takes the place of that one: it has its times and revision. Raises INVALID_ARGUMENT.
    """
    refusals = Refusals()
    if previous is None and request.name in RESERVED_NAMES:
        refusals.add("name", f"{request.name} is one of the gateway's own listeners; choose another name")
    listener = previous or Listener(name=request.name, address="", created_at=now, updated_at=now)
    with refusals.collect():
        listener = msgspec.structs.replace(listener, **_fields(request, every_field(request)))
    refusals.raise_any()
    return listener


def _fields(
    request: pb.CreateListenerRequest | pb.UpdateListenerRequest, changing: frozenset[str]
) -> dict[str, Any]:
    """Return the changing fields as a request gives them."""
    fields, refusals = fields_of(Listener, request, only=changing), Refusals()
    with refusals.collect():
        if "address" in fields:
            fields["address"] = parse_address(fields["address"])
    try:
        compile_rules(fields.get("rules", ()))
    except RuleError as error:
        refusals.add(f"rules[{error.index}].{error.field}", error.why)
    refusals.raise_any()
    return fields


class ListenerService:
    """Implements `tollkeeper.v1.ListenerService`.

    Groups must exist and addresses be free before a listener is written; `references.py` says what edits at
    the same time may let through. A port that was taken meanwhile is reported when it is opened.
    """

    def __init__(
        self,
        store: ConfigurationStore,
        changes: Changes,
        clock: Callable[[], datetime],
        port_check: PortCheck,
        tls_problem: str | None,
    ) -> None:
        """`tls_problem` is why no listener can speak TLS, None if it can."""
        self._store = store
        self._changes = changes
        self._clock = clock
        self._port_check = port_check
        self._tls_problem = tls_problem

    async def create_listener(self, request: pb.CreateListenerRequest) -> pb.CreateListenerResponse:
        """Add a listener."""
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
        self._check_tls(listener)
        await self._store.add(listener)
        await self._changes.publish(Change())
        return pb.CreateListenerResponse(listener=show(listener, pb.Listener()))

    async def get_listener(self, request: pb.GetListenerRequest) -> pb.GetListenerResponse:
        """Read a listener."""
        return pb.GetListenerResponse(
            listener=show(await named.find(self._store, Listener, request.name), pb.Listener())
        )

    async def list_listeners(self, request: pb.ListListenersRequest) -> pb.ListListenersResponse:
        """Read a page of listeners."""
        listed = await named.page(self._store, Listener, request)
        return pb.ListListenersResponse(
            listeners=[show(listener, pb.Listener()) for listener in listed.entries],
            next_page_token=listed.next_page_token,
            total_size=listed.total_size,
        )

    async def update_listener(self, request: pb.UpdateListenerRequest) -> pb.UpdateListenerResponse:
        """Change a listener."""
        changing = fields_to_change(request)
        require_values(request, changing, "address", "is_active", "tls")
        fields = _fields(request, changing)

        async def change(listener: Listener) -> Listener:
            changed = msgspec.structs.replace(listener, **fields)
            if fields.keys() & {"address", "default_group", "rules"}:
                await self._check_references(changed)
            # An address that it gives up at the same time can't be in its way.
            gives_way = listener.is_active and overlap(listener.address, changed.address)
            if changed.is_active and not gives_way:
                self._check_port(changed.address)
            if not listener.speaks_tls:
                self._check_tls(changed)
            return changed

        before, listener = await named.edit(
            self._store, Listener, request.name, change, etag=request.etag, now=self._clock()
        )
        if listener is not before:
            await self._changes.publish(Change())
        return pb.UpdateListenerResponse(listener=show(listener, pb.Listener()))

    async def delete_listener(self, request: pb.DeleteListenerRequest) -> pb.DeleteListenerResponse:
        """Remove a listener."""
        check(await named.find(self._store, Listener, request.name), request.etag)
        await named.remove(self._store, Listener, request.name, etag=request.etag)
        await self._changes.publish(Change())
        return pb.DeleteListenerResponse()

    async def _check_references(self, listener: Listener) -> None:
        groups = {rule.group for rule in listener.rules} | {listener.default_group} - {""}
        others = await named.every(self._store, Listener)
        refuse(of_listener(listener, await named.present(self._store, Group, groups), others))

    def _check_port(self, address: str) -> None:
        problem = self._port_check(address)
        if problem is not None:
            raise invalid_argument("address", problem)

    def _check_tls(self, listener: Listener) -> None:
        if listener.speaks_tls and self._tls_problem is not None:
            raise invalid_argument("tls", self._tls_problem)
