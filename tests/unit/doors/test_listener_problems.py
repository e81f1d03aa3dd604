"""A listener whose port can't be opened is told, by name and with the reason."""

from dataclasses import replace

from tollkeeper_server.doors.listeners import Listeners
from tollkeeper_server.doors.sockets import bind, name_of
from tollkeeper_server.snapshot.model import EMPTY, ListenerView
from tollkeeper_server.snapshot.rules import Rules


async def _nobody(*_: object) -> None:
    raise AssertionError("nobody calls")


def test_a_port_that_is_taken_is_told_until_it_is_not_wanted() -> None:
    own, other = (bind("127.0.0.1:0", "listener", "TEST") for _ in range(2))
    other.listen()
    address = name_of(other)
    listeners = Listeners(_nobody, own, drain_seconds=1)
    view = ListenerView(
        name="tenant", address=address, rules=Rules(), default_group="", ip_limit=None, head_timeout=1
    )
    told: list[str | None] = []
    try:
        for wanted in ({}, {"tenant": view}, {}):
            listeners.follow(replace(EMPTY, listeners=wanted))
            told.append(listeners.problem)
    finally:
        listeners.close()
        other.close()
    before, taken, after = told
    assert before is after is None
    assert taken is not None
    assert taken.startswith("tenant: ")
    assert address in taken
