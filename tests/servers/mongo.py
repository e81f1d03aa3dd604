"""A real server of MongoDB's protocol.

`TOLLKEEPER_TEST_MONGO_URL`, else `mongod` on PATH, else FerretDB with its SQLite backend, built with Go
once and kept in a cache folder.
"""

import fcntl
import functools
import gc
import hashlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pymongo
import pytest

from tests.servers.process import ServerFailedError, ServerProcess
from tests.servers.report import cannot_run

MONGO_URL = "TOLLKEEPER_TEST_MONGO_URL"
_WANTED = f"a MongoDB server ({MONGO_URL}, mongod on PATH, or Go to build FerretDB)"
_SOURCE = Path(__file__).parent / "ferretdb"
_FIXTURES = {"mongo_process", "mongo_url"}


class MongoServer(ServerProcess):
    """A server whose databases outlive `stop`."""

    @property
    def url(self) -> str:
        """The server's URL, without a database."""
        return f"mongodb://127.0.0.1:{self.port}/"

    def new_url(self) -> str:
        """Return the URL of a database that no other test uses."""
        return with_database(self.url)


def with_database(url: str) -> str:
    """Return `url` with a database name that was never used before."""
    return urlsplit(url)._replace(path=f"/tollkeeper_test_{secrets.token_hex(8)}").geturl()


def cache_directory() -> Path:
    """Return where the FerretDB that was built is kept."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "tollkeeper" / "ferretdb-v1.24.0"


def build_ferretdb(cache: Path) -> Path | None:
    """Return the FerretDB program in `cache`, building it if need be; None without Go.

    Safe when several test runs build at once: one of them does, and what appears is whole.
    """
    sources = [_SOURCE / name for name in ("main.go", "go.mod", "go.sum")]
    edition = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    target = cache / f"ferretdb-{edition}"
    go = shutil.which("go")
    if target.is_file() or go is None:
        return target if target.is_file() else None
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock, tempfile.TemporaryDirectory(dir=cache) as directory:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_file():
            return target
        built = Path(directory) / "ferretdb"
        done = subprocess.run(
            [go, "build", "-mod=readonly", "-trimpath", "-o", str(built), "."],
            cwd=_SOURCE,
            env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ServerFailedError(f"FerretDB could not be built:\n{done.stderr[-2000:]}")
        built.replace(target)
    return target


@functools.cache
def find_ferretdb() -> Path | None:
    """Return the FerretDB program of this session, or None if there is none and none can be built."""
    try:
        return build_ferretdb(cache_directory())
    except ServerFailedError as error:
        sys.stderr.write(f"{error}\n")
        return None


def mongo_on(directory: Path) -> MongoServer | None:
    """Return a server that keeps its databases in `directory`, not yet started; None if there is none."""
    mongod = shutil.which("mongod")
    if mongod:
        return MongoServer(
            "mongod",
            directory,
            lambda port: (
                *(mongod, "--port", str(port), "--bind_ip", "127.0.0.1"),
                *("--dbpath", str(directory), "--nounixsocket"),
            ),
        )
    ferretdb = find_ferretdb()
    if ferretdb is None:
        return None
    return MongoServer(
        "ferretdb",
        directory,
        lambda port: (str(ferretdb), "-listen", f"127.0.0.1:{port}", "-dir", str(directory)),
    )


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker of tests that want the server."""
    config.addinivalue_line("markers", "mongo: needs a server of MongoDB's protocol")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that name a fixture of the server; others, which ask for it as they run, mark themselves."""
    for item in items:
        if _FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("mongo")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build FerretDB, if it will be wanted, before the first test's time-out starts to count."""
    wanted = any(item.get_closest_marker("mongo") for item in session.items)
    if wanted and not session.config.option.collectonly and not shutil.which("mongod"):
        find_ferretdb()


@pytest.fixture
def pymongo_leftovers() -> Iterator[None]:
    """Collects, unnoticed, what PyMongo (4.20) leaves to the collector when a test is over.

    A client that is closed while its monitor is connecting forgets to close the monitor's socket. The
    warning of it would hit whichever test happens to run when the collector does.
    """
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(autouse=True)
def _tidy_after_pymongo(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("mongo"):
        request.getfixturevalue("pymongo_leftovers")


@pytest.fixture(scope="session")
def mongo_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    """The session's MongoDB, one of our own, that can be stopped."""
    server = mongo_on(tmp_path_factory.mktemp("mongo"))
    if server is None:
        cannot_run(_WANTED)
        return
    server.start()
    yield server
    server.stop()


@pytest.fixture
def mongo_server(mongo_process: MongoServer) -> Iterator[MongoServer]:
    """The session's MongoDB for a test that may stop it; it runs again afterwards."""
    yield mongo_process
    mongo_process.start()


@pytest.fixture
def mongo_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database of the test's own, on the server the environment names if it does."""
    external = os.environ.get(MONGO_URL)
    if not external:
        server: MongoServer = request.getfixturevalue("mongo_server")
        yield server.new_url()
        return
    url = with_database(external)
    yield url
    with pymongo.MongoClient[dict[str, object]](url) as client:
        client.drop_database(client.get_default_database().name)
