"""A management plane in a process of its own: the real services and store, behind the real gRPC door.

    python -m tests.unit.clients.gateway STORE_FILE MANAGEMENT_TOKEN

prints the address it listens on, and stops when its standard input ends.
"""

import asyncio
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from tollkeeper_server.coordination.local import LocalChanges
from tollkeeper_server.domain.explanation import Explanation, Query
from tollkeeper_server.doors.grpc import GrpcListener
from tollkeeper_server.doors.grpc_callers import GrpcCallers
from tollkeeper_server.doors.sockets import bind
from tollkeeper_server.ledger.local import LocalLedger
from tollkeeper_server.management.chain.streams import Streams
from tollkeeper_server.management.services import make_chain
from tollkeeper_server.management.sessions import Sessions
from tollkeeper_server.management.status_feed import StatusFeed
from tollkeeper_server.management.usage_feed import UsageFeed
from tollkeeper_server.management.usage_names import Directory
from tollkeeper_server.process.pricer import SnapshotPricer
from tollkeeper_server.process.standings import LedgerStandings
from tollkeeper_server.snapshot.model import EMPTY
from tollkeeper_server.store.sealed import Sealer, new_key
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.unit.management.called import Called
from tests.unit.management.observed import Observed


async def _no_explanation(query: Query) -> Explanation:
    raise AssertionError("these tests ask for none")


async def run(store_file: Path, management_token: str) -> None:
    """Serve until standard input ends."""
    store = SqliteStore(store_file)
    await store.open()
    observed = Observed(names=["anthropic", "openai"])
    chain = make_chain(
        store=store,
        sealer=Sealer(new_key()),
        digest_key=bytes(32),
        changes=LocalChanges(),
        management_token=management_token,
        sessions=Sessions(store.sessions, bytes(32), management_token, lambda: datetime.now(UTC)),
        clock=lambda: datetime.now(UTC),
        port_check=lambda _: None,
        tls_problem=None,
        explain=_no_explanation,
        connect_failure=lambda _: None,
        caller=Called(lists={"openai": {"gpt-4o": None}}),
        observer=observed,
        pricer=SnapshotPricer(lambda: EMPTY, lambda: datetime.now(UTC)),
        standings=LedgerStandings(
            LocalLedger(lambda: 0), lambda: time.time_ns() // 1000, lambda: EMPTY, store.tokens
        ),
        status_feed=StatusFeed(observed, interval=0.02),
        usage_feed=UsageFeed(store.usage, Directory(store.configuration, store.tokens), interval=0.02),
        streams=Streams(),
    )
    callers = GrpcCallers(bind("127.0.0.1:0", "gRPC listener", "TEST"))
    listener = GrpcListener(chain, callers, data_dir=store_file.parent)
    await listener.start()
    sys.stdout.write(f"{listener.address}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await listener.stop(grace=1)
    await store.close()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), sys.argv[2]))
