"""A process whose files may not grow beyond a limit, as on a full disk, and which journals on.

    python full_disk_process.py ROOT

Prints as JSON what became of its events.
"""

import asyncio
import resource
import sys
from pathlib import Path

import msgspec
from tollkeeper_server.ledger.journal import Journal

from tests.unit.ledger.parts import DEADLINE, FaultyStore, crash, draining, held, intent, settled, used

LIMIT = 4000


def limit_files(size: int) -> None:
    """Let files grow up to `size` bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


async def main(root: Path) -> dict[str, object]:
    """Fill the disk, make room, and that twice more, and crash."""
    journal = Journal(root, waiting_events=50)
    store = FaultyStore()
    journal.begin(intent("c"))
    for name in ("h", "i"):
        journal.begin(intent(name, holds=held(name)))
    limit_files(LIMIT)
    for number in range(30):
        journal.begin(intent(f"a{number:02}"))
        journal.settle(settled(f"a{number:02}"))
    waiting_while_full = journal.waiting

    async with draining(journal, store) as drain:
        stored_from_memory = await drain.flush(DEADLINE)
    stored = sorted(store.events)

    for number in range(60):
        journal.settle(settled(f"b{number:02}"))
    waiting_at_the_bound = journal.waiting
    journal.begin(intent("e"))
    waiting_with_an_intent = journal.waiting
    journal.settle(settled("c"))
    limit_files(resource.RLIM_INFINITY)
    journal.settle(settled("d"))
    waiting_with_room = journal.waiting

    limit_files(LIMIT)
    journal.begin(intent("f", holds=held("f")))
    journal.begin(intent("g", holds=held("g")))
    journal.begin(intent("g", holds=held("g", 2)))
    journal.settle(settled("g", charges=used("g")))
    journal.begin(intent("h", holds=held("h", 2)))
    journal.settle(settled("h", charges=used("h")))
    journal.begin(intent("i", holds=held("i", 2)))
    waiting_again = journal.waiting
    async with draining(journal, store) as drain:
        flushed_beside_an_intent = await drain.flush(DEADLINE)
        waiting_after_the_flush = journal.waiting
        limit_files(resource.RLIM_INFINITY)
        journal.settle(settled("i", charges=used("i")))
        while journal.waiting:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
    open_intents = sorted(journal._open)
    crash(journal)

    heir = Journal(root)
    async with draining(heir, store) as drain:
        assert await drain.flush(DEADLINE)
    heir.close()
    return {
        "waiting_while_full": waiting_while_full,
        "stored_from_memory": stored_from_memory,
        "stored": stored,
        "waiting_at_the_bound": waiting_at_the_bound,
        "waiting_with_an_intent": waiting_with_an_intent,
        "waiting_with_room": waiting_with_room,
        "waiting_again": waiting_again,
        "flushed_beside_an_intent": flushed_beside_an_intent,
        "waiting_after_the_flush": waiting_after_the_flush,
        "open_intents": open_intents,
        "in_the_end": store.statuses(),
        "charged": {name: store.events[name].charges for name in ("f", "g", "h", "i")},
    }


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(main(Path(sys.argv[1])))))
