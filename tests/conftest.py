"""What every test may ask for."""

import gc
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.servers.report import UnrunTests

# How fast a test runs says something of the machine, and nothing of what the test is about.
settings.register_profile("tollkeeper", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tollkeeper")

# Stores and journals wait for the disk at each step. A file system in memory answers at once.
IN_MEMORY = Path("/dev/shm")
MOST_WRITTEN = 2 << 30
"""More bytes than the files of all tests have that run at a time."""

# How the name of a test shows the bytes with which gzip starts.
GZIP_HEAD = r"\\x1f\\x8b"

pytest_plugins = [
    "tests.servers.redis",
    "tests.servers.mongo",
    "tests.servers.leftovers",
    "tests.servers.threads",
    "tests.faults.flood_bounds",
]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes that are no text after their argument.

    What a compressor makes has the time in it: the processes that share the tests would have other names for
    the same test.
    """
    return argname if isinstance(val, bytes) and not (val.isascii() and val.decode().isprintable()) else None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Refuse a name that shows what a compressor made, where a test names its cases itself.

    :raises pytest.UsageError: Always then, so that it is seen by whoever writes the test.
    """
    if GZIP_HEAD in item.name:
        raise pytest.UsageError(
            f"{item.nodeid}: name this case by what it is: what gzip makes has the time in it"
        )


def pytest_configure(config: pytest.Config) -> None:
    """Add the list of what could not be run, and a marker; have files be written to memory."""
    config.addinivalue_line("markers", "bench: needs the programs that the bench runs")
    config.pluginmanager.register(UnrunTests())
    if IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > MOST_WRITTEN:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))


def pytest_collection_finish() -> None:
    """Keep the modules and the tests out of every later collection of garbage: many tests ask for one."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def caplog(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What a test logs, without what earlier ones left behind.

    asyncio complains of a task that was given up, or whose error nobody asked for, when the garbage collector
    finds it: that may be in any later test.
    """
    gc.collect()
    return caplog
