"""Listeners have addresses that are free and rules that lead to groups."""

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from tollkeeper.v1 import listener_service_pb2 as pb
from tollkeeper_server.coordination.ports import Change
from tollkeeper_server.domain.listener import IpLimit, Listener, Rule
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.listeners import build_listener

from tests.unit.management.plane import NOON, Plane

ADDRESS = "127.0.0.1:3001"
TAKEN = "another process has it"


@pytest.fixture
async def plane(plane: Plane) -> Plane:
    """A management plane with two groups."""
    await plane.upstream("openai")
    await plane.group("all")
    await plane.group("rest")
    plane.told.clear()
    return plane


async def update(plane: Plane, name: str, **fields: object) -> pb.Listener:
    """Change a listener."""
    request = pb.UpdateListenerRequest(name=name, **fields)  # type: ignore[arg-type]  # fields of the message
    return (await plane.call(request, pb.UpdateListenerResponse)).listener


async def test_a_listener_has_what_was_asked_for(plane: Plane) -> None:
    request = pb.CreateListenerRequest(
        name="tenant",
        address="LOCALHOST:3001",
        default_group="rest",
        rules=[
            pb.Rule(group="all", path="/a/:b", strip_prefix="/a"),
            pb.Rule(group="rest", header="x-team", value="search"),
        ],
        ip_limit=pb.IpLimit(per_second=5),
        head_timeout=Duration(seconds=2),
        is_active=False,
    )
    made = (await plane.call(request, pb.CreateListenerResponse)).listener
    assert (made.address, made.is_active, made.ip_limit.burst) == (ADDRESS, False, 200)
    stored = await plane.store.configuration.get(Listener, "tenant")
    assert stored is not None
    assert stored.rules == (
        Rule(group="all", path="/a/:b", strip_prefix="/a"),
        Rule(group="rest", header="x-team", value="search"),
    )
    assert (stored.ip_limit, stored.head_timeout_seconds) == (IpLimit(per_second=5), 2.0)
    assert plane.told == [Change()]
    assert (await plane.call(pb.GetListenerRequest(name="tenant"), pb.GetListenerResponse)).listener == made
    assert list((await plane.call(pb.ListListenersRequest(), pb.ListListenersResponse)).listeners) == [made]


async def test_it_is_open_and_patient_unless_asked(plane: Plane) -> None:
    made = await plane.listener()
    assert (made.is_active, made.head_timeout.seconds, made.HasField("ip_limit")) == (True, 10, False)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"address": "127.0.0.1:0"}, "address"),
        ({"address": "[::1:80"}, "address"),
        ({"address": "127.0.0.1"}, "address"),
        ({"default_group": "nope"}, "default_group"),
        ({"rules": [pb.Rule(group="nope", path="/a")]}, "rules[0].group"),
        ({"rules": [pb.Rule(group="all", path="/a"), pb.Rule(group="all")]}, "rules[1]"),
        ({"rules": [pb.Rule(group="all", path="/a"), pb.Rule(group="all", path="/{b:[}")]}, "rules[1].path"),
        ({"rules": [pb.Rule(group="all", path="no/slash")]}, "rules[0].path"),
        ({"rules": [pb.Rule(group="all", header="a", pattern="(")]}, "rules[0].pattern"),
        ({"rules": [pb.Rule(group="all", path="/a", value="x")]}, "rules[0]"),
        ({"rules": [pb.Rule(group="all", header="a", value="x", pattern="y")]}, "rules[0]"),
        ({"rules": [pb.Rule(group="all", header="a", value="x\r\ny")]}, "rules[0].value"),
        ({"ip_limit": pb.IpLimit(per_second=0)}, "ip_limit.per_second"),
    ],
    ids=str,
)
async def test_what_can_not_be_is_told_by_field(plane: Plane, fields: dict[str, object], field: str) -> None:
    await plane.listener("there", "127.0.0.1:4000")
    plane.told.clear()
    create = pb.CreateListenerRequest(**{"name": "l", "address": ADDRESS, **fields})  # type: ignore[arg-type]  # as above
    await plane.refuse(create, Reason.INVALID_ARGUMENT, field=field)
    change = pb.UpdateListenerRequest(name="there", **fields)  # type: ignore[arg-type]  # as above
    await plane.refuse(change, Reason.INVALID_ARGUMENT, field=field)
    assert await plane.store.configuration.get(Listener, "l") is None
    assert plane.told == []


async def test_everything_that_can_not_be_is_told_at_once(plane: Plane) -> None:
    rules = [pb.Rule(group="all", header="x", pattern="(")]
    request = pb.CreateListenerRequest(name="main", address="127.0.0.1:0", rules=rules)
    error = await plane.refuse(request, Reason.INVALID_ARGUMENT, field="name")
    assert [it.field for it in error.violations] == ["name", "address", "rules[0].pattern"]


async def test_an_address_that_another_listener_has_is_refused(plane: Plane) -> None:
    await plane.listener("a", ADDRESS)
    await plane.listener("b", "127.0.0.1:3002")
    for address in (ADDRESS, "0.0.0.0:3001"):
        create = pb.CreateListenerRequest(name="c", address=address)
        error = await plane.refuse(create, Reason.ALREADY_EXISTS, field="address")
        assert "listener a " in error.message
        change = pb.UpdateListenerRequest(name="b", address=address)
        await plane.refuse(change, Reason.ALREADY_EXISTS, field="address")


async def test_a_name_is_taken_once(plane: Plane) -> None:
    await plane.listener("a", ADDRESS)
    again = pb.CreateListenerRequest(name="a", address=ADDRESS)
    await plane.refuse(again, Reason.ALREADY_EXISTS, field="name")


async def test_a_port_that_can_not_be_opened_is_refused_with_the_reason(plane: Plane) -> None:
    plane.ports[ADDRESS] = TAKEN
    create = pb.CreateListenerRequest(name="a", address=ADDRESS)
    error = await plane.refuse(create, Reason.INVALID_ARGUMENT, field="address")
    assert TAKEN in error.message
    await plane.listener("b", "127.0.0.1:3002")
    change = pb.UpdateListenerRequest(name="b", address=ADDRESS)
    await plane.refuse(change, Reason.INVALID_ARGUMENT, field="address")
    assert [it.name for it in await plane.store.configuration.list(Listener, limit=10)] == ["b"]


async def test_a_port_is_tried_only_when_it_is_to_be_opened(plane: Plane) -> None:
    plane.ports[ADDRESS] = TAKEN
    closed = pb.CreateListenerRequest(name="a", address=ADDRESS, is_active=False)
    await plane.call(closed, pb.CreateListenerResponse)
    await update(plane, "a", default_group="all")
    opened = pb.UpdateListenerRequest(name="a", is_active=True)
    await plane.refuse(opened, Reason.INVALID_ARGUMENT, field="address")
    plane.ports.clear()
    await update(plane, "a", is_active=True)
    # Now it is the gateway itself that has the port.
    plane.ports[ADDRESS] = TAKEN
    assert (await update(plane, "a", address=ADDRESS, default_group="")).is_active
    assert not (await update(plane, "a", is_active=False)).is_active


async def test_a_listener_may_move_to_an_address_that_it_is_itself_in_the_way_of(plane: Plane) -> None:
    await plane.listener("a", ADDRESS)
    everywhere = "0.0.0.0:3001"
    plane.ports |= {ADDRESS: TAKEN, everywhere: TAKEN}  # by the gateway itself

    assert (await update(plane, "a", address=everywhere)).address == everywhere
    assert (await update(plane, "a", address=ADDRESS)).address == ADDRESS


async def test_an_update_changes_what_it_names(plane: Plane) -> None:
    made = await plane.listener("a", ADDRESS, default_group="all")
    plane.told.clear()
    changed = await update(plane, "a", rules=[pb.Rule(group="rest", path="/x")], etag=made.etag)
    assert (changed.default_group, changed.rules[0].group) == ("all", "rest")
    assert plane.told == [Change()]
    limited = await update(plane, "a", ip_limit=pb.IpLimit(), head_timeout=Duration(seconds=1))
    assert (limited.ip_limit.per_second, len(limited.rules)) == (100, 1)
    cleared = await update(
        plane, "a", update_mask=FieldMask(paths=["ip_limit", "rules", "default_group", "head_timeout"])
    )
    assert (cleared.HasField("ip_limit"), len(cleared.rules), cleared.default_group) == (False, 0, "")
    assert cleared.head_timeout.seconds == 10
    stale = pb.UpdateListenerRequest(name="a", is_active=False, etag=made.etag)
    await plane.refuse(stale, Reason.ETAG_MISMATCH, field="etag")


@pytest.mark.parametrize("path", ["address", "is_active"])
async def test_a_named_field_without_a_value_is_refused(plane: Plane, path: str) -> None:
    await plane.listener("a")
    request = pb.UpdateListenerRequest(name="a", update_mask=FieldMask(paths=[path]))
    await plane.refuse(request, Reason.INVALID_ARGUMENT, field=path)


async def test_a_listener_is_deleted_once(plane: Plane) -> None:
    made = await plane.listener("a")
    await plane.refuse(
        pb.DeleteListenerRequest(name="a", etag=made.etag + "x"), Reason.ETAG_MISMATCH, field="etag"
    )
    plane.told.clear()
    request = pb.DeleteListenerRequest(name="a", etag=made.etag)
    await plane.call(request, pb.DeleteListenerResponse)
    assert plane.told == [Change()]
    for gone in (request, pb.GetListenerRequest(name="a"), pb.UpdateListenerRequest(name="a")):
        await plane.refuse(gone, Reason.NOT_FOUND, field="name")


def test_what_describes_a_listener_as_it_is_builds_an_equal_one() -> None:
    request = pb.CreateListenerRequest(name="l", address=ADDRESS, ip_limit=pb.IpLimit(burst=3))
    made = build_listener(request, now=NOON)
    assert build_listener(request, now=NOON.replace(year=2030), previous=made) == made


@pytest.mark.parametrize("name", ["main", "console", "grpc"])
def test_the_gateways_own_names_are_not_to_be_had(name: str) -> None:
    with pytest.raises(TollkeeperError) as caught:
        build_listener(pb.CreateListenerRequest(name=name, address=ADDRESS), now=NOON)
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, "name")


async def test_tls_wants_a_certificate_where_it_is_to_be_spoken(plane: Plane) -> None:
    await plane.listener("there", "127.0.0.1:4000")
    plane.tls_problem = "there is no certificate"
    create = pb.CreateListenerRequest(name="l", address=ADDRESS, tls=True)
    error = await plane.refuse(create, Reason.INVALID_ARGUMENT, field="tls")
    assert "there is no certificate" in error.message
    change = pb.UpdateListenerRequest(name="there", tls=True)
    await plane.refuse(change, Reason.INVALID_ARGUMENT, field="tls")
    change.is_active = False  # another process may have a certificate by the time it opens
    assert (await plane.call(change, pb.UpdateListenerResponse)).listener.tls
    plane.tls_problem = None
    opened = pb.UpdateListenerRequest(name="there", is_active=True)
    assert (await plane.call(opened, pb.UpdateListenerResponse)).listener.tls
    plane.tls_problem = "there is no certificate"
    renamed = pb.UpdateListenerRequest(name="there", head_timeout=Duration(seconds=3))
    assert (await plane.call(renamed, pb.UpdateListenerResponse)).listener.tls  # it is not what changes
    plain = pb.UpdateListenerRequest(name="there", tls=False)
    assert not (await plane.call(plain, pb.UpdateListenerResponse)).listener.tls
