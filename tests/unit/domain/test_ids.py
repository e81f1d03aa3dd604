"""Identifiers name their kind, and sort by time."""

import re
import subprocess
import sys
import time

import pytest
from tollkeeper_server.domain.ids import Prefix, new_id


@pytest.mark.parametrize("prefix", list(Prefix))
def test_a_new_id_has_its_kind_and_26_characters(prefix: Prefix) -> None:
    kind, _, rest = new_id(prefix).partition("_")

    assert kind == prefix
    assert re.fullmatch("[0-9abcdefghjkmnpqrstvwxyz]{26}", rest)


def test_ids_are_unique_and_sort_by_the_time_they_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for milliseconds in range(1_700_000_000_000, 1_700_000_001_000):
        monkeypatch.setattr(time, "time_ns", lambda now=milliseconds: now * 1_000_000)
        made.append(new_id(Prefix.REQUEST))

    assert made == sorted(set(made))


_FORK = """
import os
from tollkeeper_server.domain.ids import Prefix, new_id
new_id(Prefix.REQUEST)
child = os.fork()
if child:
    os.waitpid(child, 0)
print(*(new_id(Prefix.REQUEST)[14:] for _ in range(20)), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="processes are not forked there")
def test_a_forked_process_makes_ids_of_its_own() -> None:
    run = subprocess.run([sys.executable, "-c", _FORK], check=True, capture_output=True, text=True)

    assert len(set(run.stdout.split())) == 40
