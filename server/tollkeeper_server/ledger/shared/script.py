"""The table as a script for Redis: `table.lua` says what `table.py` does; a test holds them to each other.

All keys begin with one prefix, whose hash tag all keys of Tollkeeper have: a cluster has them in one slot.
Numbers are floating point there, exact up to 2^53; the bounds in `domain/` keep within that.

    PREFIX epoch     the epoch: number, members expected, heard in this tick, since, tick, minute,
                     heard in the last one and not yet in this; run and names
    PREFIX q:NAME    the latest batch of a member: epoch, number, tick, and the reply
    PREFIX m:KEY     a budget or slots: epoch, period, spent, generation, held, before, seeded, told,
                     of which amount
                     a rate: epoch, at, parts, amount, given
"""

from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from typing import Protocol

from tollkeeper_server.domain.rate import MINUTE
from tollkeeper_server.ledger.shared.ledger import Connect, Connection
from tollkeeper_server.ledger.shared.messages import (
    GATHERING,
    MEMBER_KEY,
    TICK,
    TICKS_HELD,
    Message,
    Verb,
    encode,
)

PREFIX = "{tollkeeper}:ledger:"

CLOCK = "local clock = redis.call('TIME'); local now = clock[1] * 1000000 + clock[2]"
"""How the script reads Redis' clock."""

_HEAD = f"""
{CLOCK}
local MINUTE, TICK, TICKS_HELD, GATHERING = {MINUTE}, {TICK}, {TICKS_HELD}, {GATHERING}
"""
SCRIPT = _HEAD + files("tollkeeper_server.ledger.shared").joinpath("table.lua").read_text(encoding="utf-8")
"""Answers a request that `call_of` has put into keys and arguments."""


def call_of(request: Message) -> tuple[list[str], list[bytes]]:
    """Return the keys and the arguments with which the script answers a request."""
    verb, *rest = request
    keys = [PREFIX + "epoch"]
    if verb == Verb.JOIN:
        name, epoch, holdings = rest
        keys += [PREFIX + MEMBER_KEY + name, *(PREFIX + it[0] for it in holdings)]
        rest = [name, epoch, [it[1:] for it in holdings]]
    elif verb == Verb.BATCH:
        name, epoch, number, named, operations = rest
        keys += [PREFIX + MEMBER_KEY + name, *(PREFIX + key for key in named)]
        rest = [epoch, number, operations]
    return keys, [b"%d" % verb, encode(rest)]


class ScriptCaller(Protocol):
    """A connection on which the script runs, one call at a time."""

    def call(self, keys: Sequence[str], arguments: Sequence[bytes]) -> None:
        """Run the script; it is harmless if the connection is gone."""

    def close(self) -> None:
        """Give the connection up."""


ConnectCaller = Callable[[Callable[[bytes], None], Callable[[], None]], Awaitable[ScriptCaller]]
"""Connects to a server that runs the script; the functions and the error are those of `ledger.Connect`."""


class _Connection:
    def __init__(self, caller: ScriptCaller) -> None:
        self._caller = caller

    def send(self, request: Message) -> None:
        """Have the script answer."""
        self._caller.call(*call_of(request))

    def close(self) -> None:
        """Give the connection up."""
        self._caller.close()


def by_script(connect_caller: ConnectCaller) -> Connect:
    """Return what connects to the table that the script is."""

    async def connect(received: Callable[[bytes], None], lost: Callable[[], None]) -> Connection:
        return _Connection(await connect_caller(received, lost))

    return connect
