"""What members and the table tell each other: lists of numbers and texts, as MessagePack has them.

A request is `[Verb, ...]`, a reply `[Code, ...]`:

| request | reply if it is OK |
|---|---|
| HELLO | epoch, whether it began in this run of the table, its members |
| BUMP, name, epoch seen, members expected | epoch |
| JOIN, name, epoch, holdings | tick, now, members |
| BATCH, name, epoch, number, keys, operations | tick, now, members, a result for each operation |

An operation is `[Op, numbers]`, where a meter is meant by its place in the keys of the batch. Of each meter:

    RESERVE  key, kind, need, amount, period or burst
             -> 1, and of each meter what is left; of a rate also the microseconds until all is, and the mark
             -> 0, place of the meter, `Why`, what is left or the period, microseconds to wait;
                of each threshold that the limit was lowered to: place of the meter, number
    POST     key, kind, held, used, period or mark, tick, amount
             -> of each threshold that is reached for the first time: place of the meter, number
    SEED     first how many members were known; key, period, spent by those who are not members
    LOOK     key, kind, amount, period or burst
             -> period, spent, held, whether it is seeded; of a rate what is left, and microseconds
    TAKE     first the key of a process that died; key, period, spent with what it held, held by it alone
    LEAVE    nothing

The epoch that BUMP begins expects its sender and all members of the one before, if those are more.
A holding is key, kind, period, spent, held, thresholds told and of which amount. Ticks are the minutes that
the table has seen.
The mark of a rate is that of `domain/rate.py`.
"""

from enum import IntEnum
from typing import Any

import msgspec

Message = list[Any]
"""A request or a reply; the table above says what is in it."""

MEMBER_KEY = "q:"
"""What the key of a member begins with."""

TICK = 60_000_000
"""Microseconds: what holds a slot is renewed once a tick, and forgotten after two."""
TICKS_HELD = 30
"""What holds a budget is spent when nobody has settled it after so many ticks, or twice as many."""
GATHERING = 2_000_000
"""Microseconds for which a new epoch waits for the members that it expects."""
MANY = 1_000_000
"""The members that are expected by one who does not know of any: the epoch waits as long as it may."""

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Message).decode


class Verb(IntEnum):
    """What is asked of the table."""

    HELLO = 0
    BUMP = 1
    JOIN = 2
    BATCH = 3


class Code(IntEnum):
    """What becomes of a request. All but OK changed nothing."""

    OK = 0
    OTHER_EPOCH = 1
    """The epoch that was named is not the present one, which follows."""
    LOST = 2
    """The table does not have the batch before this one: it has lost what it was told."""
    JOINED = 3
    """The member has joined this epoch before."""
    LATE = 4
    """The epoch has begun without the member, who has something to add to it."""


class Op(IntEnum):
    """The operations of a batch."""

    RESERVE = 0
    POST = 1
    SEED = 2
    LOOK = 3
    LEAVE = 4
    TAKE = 5


class Why(IntEnum):
    """Why nothing was reserved. The first four are causes of a refusal (`Cause`), the others pass."""

    NEVER = 1
    SPENT = 2
    BUSY = 3
    PACE = 4
    ABSENT = 5
    """The table does not know what was spent in the period before the epoch began; see SEED."""
    STALE = 6
    """A later period has begun, whose number follows."""
    EARLY = 7
    """The period has not begun by the table's clock."""
    GATHERING = 8
    """The epoch waits for its members."""
