"""A batch of changes is whole even if the process that writes it is killed."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tollkeeper_server.domain.revision import RevisionFilter
from tollkeeper_server.store.open import make_store

from tests.contract.entities import entities_in, unsealed
from tests.faults.configuration_process import number_in

ROUNDS = 6
HERE = Path(__file__).parent


def run_and_kill(url: str, batches: int, moment: float) -> int:
    """Run a process that writes, kills it seconds after some batches; returns the last it said it wrote."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "configuration_process.py"), url],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout
    last = 0
    with process.stdout as output:
        assert output.readline() == b"ready\n"
        for count, line in enumerate(output):
            last = int(line)
            if count == batches:
                time.sleep(moment)
                process.kill()
    assert process.wait() == -9
    return last


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("mongo", marks=pytest.mark.mongo)])
async def test_kill_9_leaves_a_whole_batch_and_none_is_lost(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """What was written stays, what was begun is there or not; the next process goes on from it."""
    url = f"sqlite:///{tmp_path / 'store.db'}" if kind == "sqlite" else request.getfixturevalue("mongo_url")
    choose = random.Random(4)
    for _ in range(ROUNDS):
        last = run_and_kill(url, choose.randrange(5), choose.random() / 50)
        store = make_store(url, Path())
        await store.open()
        found = await store.configuration.read()
        assert number_in(found) in {last, last + 1}
        # The history has each revision, and no more.
        listed = await store.revisions.list(RevisionFilter(), before=None, limit=1_000)
        assert [it.number for it in listed] == [*range(found.revision, 0, -1)]
        changed = await store.revisions.differences(after=0, until=found.revision, limit=1_000)
        assert changed is not None
        present = {place: unsealed(it) for place, it in entities_in(found).items()}
        assert {(it.kind, it.id): it.after for it in changed} == present
        await store.close()
