"""A thread that a test leaves behind works on, and logs, in other tests: the test that began it fails."""

import functools
import threading
from collections.abc import Generator

import pytest

SECONDS = 5.0
"""How long threads may take to end after what they serve."""
_BEFORE = pytest.StashKey[frozenset[threading.Thread]]()
# Those of executors that last as long as the process.
_LASTING = ("counting", "joining", "large-request", "looking", "one-loop")
# They end with a process or a proxy: a fixture's may be started again by a test.
_OF_FIXTURES = ("tests.integration.process", "tests.servers.forked", "tests.faults.fault_proxy")
_OURS = ("tests", "tollkeeper", "tollkeeper_server", "bench")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Note the threads that fixtures have, which may outlive the test."""
    item.stash[_BEFORE] = frozenset(threading.enumerate())
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Fail a test that has begun threads which do not end."""
    yield
    if (before := item.stash.get(_BEFORE, None)) is None:  # it was not called
        return
    left = [thread for thread in threading.enumerate() if thread not in before and _is_to_end(thread)]
    for thread in left:
        thread.join(SECONDS / len(left))
    if staying := [f"{thread.name} ({_home(thread)})" for thread in left if thread.is_alive()]:
        pytest.fail(f"it leaves threads behind, that work on in other tests: {', '.join(staying)}")


def _is_to_end(thread: threading.Thread) -> bool:
    home = _home(thread)
    ours = home.partition(".")[0] in _OURS and home not in _OF_FIXTURES
    return (ours or not thread.daemon) and not thread.name.startswith(_LASTING)


def _home(thread: threading.Thread) -> str:
    target = getattr(thread, "_target", None)
    if isinstance(target, functools.partial):
        target = target.func
    return type(thread).__module__ if target is None else str(getattr(target, "__module__", ""))
