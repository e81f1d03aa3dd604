"""A gateway to manage, and clients of it."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tollkeeper import AsyncClient, Client
from tollkeeper.connection import ADDRESS_VARIABLE, TLS_VARIABLE, TOKEN_VARIABLES


@dataclass(frozen=True)
class Gateway:
    """Where the gateway listens, who may manage it, and the file that its store keeps."""

    address: str
    management_token: str
    store_file: Path


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A management plane over an empty store, shared by the tests: each makes what it needs."""
    store_file = tmp_path_factory.mktemp("gateway") / "store.db"
    management_token = "canary-management-token"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.unit.clients.gateway", str(store_file), management_token],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, "the gateway did not start; its reason stands above"
        yield Gateway(address, management_token, store_file)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine's environment says about gateways does not count."""
    for name in (ADDRESS_VARIABLE, TLS_VARIABLE, *TOKEN_VARIABLES):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Client]:
    """A blocking client of the gateway."""
    with Client(gateway.address, management_token=gateway.management_token) as client:
        yield client


@pytest.fixture
async def async_client(gateway: Gateway) -> AsyncIterator[AsyncClient]:
    """An asynchronous client of the gateway."""
    async with AsyncClient(gateway.address, management_token=gateway.management_token) as client:
        yield client
