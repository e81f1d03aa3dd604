"""The doors of a management plane on a real store, on real sockets."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from tollkeeper_server.doors.console import make_console
from tollkeeper_server.doors.console_listener import ConsoleListener
from tollkeeper_server.doors.front import front
from tollkeeper_server.doors.grpc import GrpcListener
from tollkeeper_server.doors.grpc_callers import GrpcCallers
from tollkeeper_server.doors.playground import Playground
from tollkeeper_server.doors.sockets import bind, name_of
from tollkeeper_server.http1.server.limits import TimeLimits
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.unit.dataplane.gateway import Bench
from tests.unit.doors.doors import Readiness, exposition
from tests.unit.management.plane import MANAGEMENT_TOKEN, Plane


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    """A management plane with an empty store."""
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    yield Plane(store)
    await store.close()


@pytest.fixture
def readiness() -> Readiness:
    """What stands in the way of serving."""
    return Readiness()


@pytest.fixture
async def console(plane: Plane, readiness: Readiness) -> AsyncIterator[str]:
    """The address of a console, `HOST:PORT`."""
    bound = bind("127.0.0.1:0", "console", "TEST")
    address = name_of(bound)
    application = make_console(plane.chain(), plane.sessions, readiness, exposition(), "1.2.3")
    listener = ConsoleListener(
        front(Bench().plane, Playground(Bench().plane, plane.sessions), application),
        bound,
        tls=None,
        drain_seconds=1,
        limits=TimeLimits(quiet=0),
    )
    serving = asyncio.create_task(listener.serve())
    yield address
    listener.stop()
    await serving


@pytest.fixture
async def http(console: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the console that presents the management token."""
    headers = {"authorization": f"Bearer {MANAGEMENT_TOKEN}"}
    async with httpx2.AsyncClient(base_url=f"http://{console}", headers=headers, trust_env=False) as client:
        yield client


@pytest.fixture
async def grpc_door(plane: Plane, readiness: Readiness, tmp_path: Path) -> AsyncIterator[GrpcListener]:
    """The gRPC door."""
    callers = GrpcCallers(bind("127.0.0.1:0", "gRPC listener", "TEST"))
    listener = GrpcListener(plane.chain(), callers, data_dir=tmp_path, ready=readiness)
    await listener.start()
    yield listener
    await listener.close()
