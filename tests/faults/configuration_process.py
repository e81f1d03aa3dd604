"""A process that writes batches of configuration without end, until it is killed.

    python configuration_process.py STORE_URL

It says `ready` when the store is open, and the number of each batch when that is written.
"""

import asyncio
import os
import sys
from pathlib import Path

from tollkeeper_server.domain.configuration import Batch, Configuration, Deletion, Kind
from tollkeeper_server.store.open import make_store

from tests.contract.entities import a_group, a_listener, a_model, an_upstream


def batch_of(number: int) -> Batch:
    """Return the batch of that number, which takes the place of the one before."""
    names = [f"{number}-{part}" for part in range(5)]
    former = [f"{number - 1}-{part}" for part in range(5)]
    return Batch(
        puts=(
            *map(an_upstream, names),
            *map(a_model, names),
            a_group(f"{number}"),
            a_listener(f"{number}"),
        ),
        deletions=(
            *(Deletion(Kind.UPSTREAM, name) for name in former),
            *(Deletion(Kind.MODEL, name) for name in former),
            Deletion(Kind.GROUP, f"{number - 1}"),
            Deletion(Kind.LISTENER, f"{number - 1}"),
        ),
    )


def number_in(found: Configuration) -> int:
    """Return the number of the batch that the configuration consists of, 0 for none.

    Raises AssertionError if it is not the whole of one batch.
    """
    if not found.groups:
        assert found == Configuration(revision=0)
        return 0
    number = int(found.groups[0].name)
    named = list(batch_of(number).puts)
    assert [*found.upstreams, *found.models, *found.groups, *found.listeners] == named
    return number


async def main(url: str) -> None:
    """Write without end."""
    store = make_store(url, Path())
    await store.open()
    os.write(1, b"ready\n")
    while True:
        found = await store.configuration.read()
        number = number_in(found) + 1
        assert await store.configuration.write(batch_of(number), expected=found.revision)
        os.write(1, f"{number}\n".encode())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
