"""A management plane in a process of its own: the real services and store, behind the real gRPC door.

    python -m tests.unit.clients.gateway STORE_FILE MANAGEMENT_TOKEN

prints the address it listens on, and stops when its standard input ends.
"""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from tollkeeper_server.coordination.local import LocalChanges
from tollkeeper_server.domain.explanation import Explanation, Query
from tollkeeper_server.doors.grpc import GrpcListener
from tollkeeper_server.management.services import make_chain
from tollkeeper_server.store.sealed import Sealer, new_key
from tollkeeper_server.store.sqlite.store import SqliteStore


async def _no_explanation(query: Query) -> Explanation:
    raise AssertionError("these tests ask for none")


async def run(store_file: Path, management_token: str) -> None:
    """Serve until standard input ends."""
    store = SqliteStore(store_file)
    await store.open()
    chain = make_chain(
        store=store,
        sealer=Sealer(new_key()),
        digest_key=bytes(32),
        changes=LocalChanges(),
        management_token=management_token,
        clock=lambda: datetime.now(UTC),
        port_check=lambda _: None,
        explain=_no_explanation,
    )
    listener = GrpcListener(chain, "127.0.0.1:0", certificate=None)
    await listener.start()
    sys.stdout.write(f"{listener.address}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await listener.stop(grace=1)
    await store.close()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), sys.argv[2]))
