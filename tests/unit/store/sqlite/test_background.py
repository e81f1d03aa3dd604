"""A thread that steps back gives way, and no other does."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tollkeeper_server.store.sqlite.background import step_back

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="threads have no niceness of their own")


def _niceness_and_slice() -> tuple[int, str]:
    thread = threading.get_native_id()
    told = Path(f"/proc/self/task/{thread}/sched")
    lines = told.read_text().splitlines() if told.exists() else []
    slices = [line.rpartition(":")[2].strip() for line in lines if line.startswith("se.slice")]
    return os.getpriority(os.PRIO_PROCESS, thread), slices[0] if slices else ""


def test_only_the_thread_that_asks_for_it_gives_way() -> None:
    mine, usual = _niceness_and_slice()
    with ThreadPoolExecutor(1, initializer=step_back) as pool:
        niceness, slice_ns = pool.submit(_niceness_and_slice).result()

    assert niceness == min(mine + 10, 19)
    assert _niceness_and_slice() == (mine, usual)
    if tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 12) and usual:
        assert int(slice_ns) == 100_000
