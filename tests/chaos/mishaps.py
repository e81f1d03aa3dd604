"""What goes wrong in a town: each mishap is over, and what it hit is there again, when it returns."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from random import Random

from tests.chaos.town import Town

_BRIEF, _LONG = 0.3, 1.5
"""Seconds. A ledger that does not answer for half a second is done without."""
_ROOM = 200


def gateway_killed(town: Town, chance: Random) -> None:
    """A gateway dies with all that it has under way, and starts again."""
    gateway = chance.choice(town.gateways)
    gateway.command.kill()
    time.sleep(chance.choice([0, _BRIEF]))
    gateway.start()


def redis_killed(town: Town, chance: Random) -> None:
    """Redis is away, and comes back empty."""
    town.snapshot.unlink(missing_ok=True)
    town.redis.stop()
    time.sleep(chance.choice([_BRIEF, _LONG]))
    town.redis.start()


def redis_emptied(town: Town, chance: Random) -> None:
    """Redis is started again at once, and has nothing."""
    del chance
    town.snapshot.unlink(missing_ok=True)
    town.redis.stop()
    town.redis.start()


def redis_put_back(town: Town, chance: Random) -> None:
    """Redis is started again with what it had a while ago."""
    with town.client() as client:
        client.save()
    time.sleep(chance.choice([_BRIEF, _LONG]))
    town.redis.stop()
    town.redis.start()


def redis_flushed(town: Town, chance: Random) -> None:
    """Redis loses all it has, several times."""
    with town.client() as client:
        for _ in range(chance.randrange(1, 4)):
            client.flushall()
            time.sleep(_BRIEF)


def redis_stopped(town: Town, chance: Random) -> None:
    """Redis takes what it is told, and answers later."""
    town.redis.freeze()
    time.sleep(chance.choice([_BRIEF, _LONG]))
    town.redis.thaw()


def store_held(town: Town, chance: Random) -> None:
    """Nobody can write to the store for a while. A server of it may die, and start again."""
    mongo = town.mongo
    if mongo is not None:
        is_killed = chance.random() < 0.5
        (mongo.stop if is_killed else mongo.freeze)()
        time.sleep(chance.choice([_BRIEF, _LONG]))
        (mongo.start if is_killed else mongo.thaw)()
        return
    with closing(sqlite3.connect(town.store, timeout=30, isolation_level=None)) as store:
        store.execute("BEGIN IMMEDIATE")
        time.sleep(chance.choice([_BRIEF, _LONG]))
        store.execute("ROLLBACK")


def disk_full(town: Town, chance: Random) -> None:
    """The files of a gateway can't grow; perhaps it dies before there is room again."""
    gateway = chance.choice(town.gateways)
    segments = (gateway.directory / "data" / "journal").rglob("*.jsonl")
    town.let_files_grow(gateway, max(it.stat().st_size for it in segments) + _ROOM)
    time.sleep(_LONG)
    if chance.random() < 0.3:
        gateway.command.kill()
        gateway.start()
    else:
        town.let_files_grow(gateway)


Mishap = Callable[[Town, Random], None]
MISHAPS: tuple[Mishap, ...] = (
    gateway_killed,
    redis_killed,
    redis_emptied,
    redis_put_back,
    redis_flushed,
    redis_stopped,
    store_held,
    disk_full,
)
LEAVE_ALONE = {redis_killed, redis_emptied, redis_put_back, redis_stopped}
"""While these last, each gateway may have to go on with its share of the budget."""
