"""A process that writes to a SQLite file which others write to as well.

    python file_process.py FILE ROUNDS

It says `ready` when it is open, and after each round `PROJECT EVENT`, the ids of what it added; it also adds
one to a number that all of them count on. Every tenth round it opens the file anew. Any failure ends it.
"""

import asyncio
import os
import sys
from pathlib import Path

import msgspec
from tollkeeper_server.domain.configuration import Batch
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.contract.entities import a_project, an_event, an_upstream

COUNTER = "counter"


async def count_up(store: SqliteStore) -> None:
    """Add one to the common number, whoever else does."""
    while True:
        found = await store.configuration.read()
        counters = [upstream for upstream in found.upstreams if upstream.name == COUNTER]
        number = counters[0].revision + 1 if counters else 1
        counter = msgspec.structs.replace(an_upstream(COUNTER), revision=number)
        if await store.configuration.write(Batch(puts=(counter,)), expected=found.revision):
            return


async def write(file: Path, rounds: int) -> None:
    """Write round after round."""
    store = SqliteStore(file)
    await store.open()
    os.write(1, b"ready\n")
    for number in range(rounds):
        if number % 10 == 9:
            await store.close()
            await store.open()
        project, event = a_project(), an_event()
        await asyncio.gather(store.configuration.add(project), store.usage.add([event]), count_up(store))
        os.write(1, f"{project.id} {event.id}\n".encode())
    await store.close()


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1]), int(sys.argv[2])))
