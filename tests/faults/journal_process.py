"""A process that journals requests without end and drains them into SQLite, until it is killed.

    python journal_process.py ROOT DATABASE SEED

Before each call of the journal it writes a line to standard output, after it another: `begin ID`,
`begun ID`, `top ID`, `topped ID` (it holds more), `settle ID`, `settled ID`.
"""

import asyncio
import os
import random
import sys
from pathlib import Path

from tollkeeper_server.ledger.drain import Drain
from tollkeeper_server.ledger.journal import Journal
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.unit.ledger.parts import held, intent, settled, used


def say(what: str, event_id: str) -> None:
    """Return the parent, unbuffered: what was said is known even if this process is killed next."""
    os.write(1, f"{what} {event_id}\n".encode())


async def main(root: Path, database: Path, seed: int) -> None:
    """Journals without end."""
    store = SqliteStore(database)
    await store.open()
    # So few that the drain takes some from memory and some from files.
    journal = Journal(root, segment_bytes=5000, recent_events=10)
    drain = Drain(journal, store.usage, batch=20, interval=0.001)
    drain.start()
    choose = random.Random(seed)
    running: list[str] = []
    number = 0
    while True:
        if len(running) < 3 or (len(running) < 12 and choose.random() < 0.5):
            number += 1
            name = f"{seed:03}-{number:06}"
            say("begin", name)
            journal.begin(intent(name, holds=held(name)))
            say("begun", name)
            running.append(name)
        elif choose.random() < 0.2:
            name = choose.choice(running)
            say("top", name)
            journal.begin(intent(name, holds=held(name, 2)))
            say("topped", name)
        else:
            name = running.pop(choose.randrange(len(running)))
            say("settle", name)
            journal.settle(settled(name, charges=used(name)))
            say("settled", name)
        await asyncio.sleep(0)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
