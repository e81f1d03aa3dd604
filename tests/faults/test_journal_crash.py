"""No usage event is lost or doubled by `kill -9` or a full disk, nor what it charges to budgets."""

import asyncio
import json
import os
import random
import subprocess
import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import astuple
from tollkeeper_server.domain.limit import Limit, Measure, Scope, ScopeKind
from tollkeeper_server.domain.period import Period
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.usage import UsageFilter
from tollkeeper_server.ledger.books import LocalBooks
from tollkeeper_server.ledger.drain import Drain
from tollkeeper_server.ledger.journal import Journal
from tollkeeper_server.ledger.local import LocalLedger
from tollkeeper_server.ledger.meter import meter_of
from tollkeeper_server.ledger.orphan import interrupted
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.unit.ledger.parts import BUDGETS, DEADLINE, directories, held, intent, settled, used

HERE = Path(__file__).parent
ROUNDS = 4
NOW = datetime(2026, 11, 20, tzinfo=UTC)
METERS = {
    meter.key: meter
    for meter in (
        meter_of(scope, Limit(measure=measure, amount=10**9, period=Period.TOTAL))
        for scope, measure in (
            (Scope(ScopeKind.TOKEN, "tok_1"), Measure.MONEY),
            (Scope(ScopeKind.PROJECT, "prj_1"), Measure.TOKENS),
        )
    )
}


def run_and_kill(root: Path, database: Path, seed: int, lines: int) -> dict[str, list[str]]:
    """Run a journalling process, kills it after it said so many lines, and returns all it said."""
    said: dict[str, list[str]] = defaultdict(list)
    process = subprocess.Popen(
        [sys.executable, str(HERE / "journal_process.py"), str(root), str(database), str(seed)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout
    with process.stdout as output:
        for count, line in enumerate(output):
            if count == lines:
                process.kill()
            what, _, event_id = line.decode().strip().partition(" ")
            said[what].append(event_id)
    process.wait()
    assert process.returncode == -9
    return said


@pytest.mark.parametrize("seed", range(3))
async def test_kill_9_loses_and_doubles_nothing(tmp_path: Path, seed: int) -> None:
    root, database = tmp_path / "journal", tmp_path / "usage.db"
    store = SqliteStore(database)
    await store.open()
    await store.configuration.add(Project(id="prj_1", name="p", created_at=NOW, updated_at=NOW))
    await store.tokens.add(
        Token(id="tok_1", project_id="prj_1", digest="0" * 64, hint="", created_at=NOW, updated_at=NOW)
    )
    choose = random.Random(seed)
    said: dict[str, list[str]] = defaultdict(list)
    for round_number in range(ROUNDS):
        killed = run_and_kill(root, database, 100 * seed + round_number, choose.randrange(1, 2500))
        for what, names in killed.items():
            said[what] += names

    journal, ledger = Journal(root), LocalLedger(lambda: 1)
    books = LocalBooks(ledger, store.ledger, lambda: 1)
    drain = Drain(journal, store.usage, interval=0.01, books=books)
    drain.start()
    async with asyncio.timeout(DEADLINE):
        await books.loaded()
    assert await drain.flush(DEADLINE)
    await drain.close()
    journal.close()

    spent = await store.ledger.spent()
    stored = {event.id: event for event in await store.usage.list(UsageFilter(), limit=100_000)}
    token = await store.tokens.get("tok_1")
    await store.close()
    assert token
    assert token.request_count == len(stored)
    assert directories(root) == []
    assert set(said["begun"]) <= set(stored) <= set(said["begin"])
    for name, event in stored.items():
        ended = settled(name, charges=used(name))
        holding = [
            interrupted(intent(name, holds=held(name, times)))
            for times, is_so in ((1, name not in said["topped"]), (2, name in said["top"]))
            if is_so
        ]
        if name in said["settled"]:
            assert event == ended
        elif name not in said["settle"]:
            assert event in holding
        else:
            assert event in (ended, *holding)
    charged = {
        key: sum(it.amount for e in stored.values() for it in e.charges if it.key == key) for key in BUDGETS
    }
    assert {it.key: it.amount for it in spent} == charged
    assert {key: ledger.standing(meter, 1).spent for key, meter in METERS.items()} == charged
    assert len(said["begin"]) - len(stored) <= ROUNDS


def test_a_full_disk_fails_no_request_and_loses_no_event_within_the_bound(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, str(HERE / "full_disk_process.py"), str(tmp_path)],
        capture_output=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    outcome = json.loads(process.stdout)
    first = [f"a{number:02}" for number in range(30)]
    assert 20 <= outcome["waiting_while_full"] < 30
    assert outcome["stored_from_memory"] is True
    assert outcome["stored"] == first
    assert outcome["waiting_at_the_bound"] == 50
    assert outcome["waiting_with_an_intent"] == 51
    assert outcome["waiting_with_room"] == 0
    assert outcome["waiting_again"] == 4
    assert outcome["flushed_beside_an_intent"] is True
    assert outcome["waiting_after_the_flush"] == 2
    assert outcome["open_intents"] == ["e", "f"]
    kept = [f"b{number:02}" for number in range(11, 60)]
    ended = dict.fromkeys([*first, *kept, "c", "d", "g", "h", "i"], 200)
    assert outcome["in_the_end"] == ended | {"e": 500, "f": 500}
    charged = {"f": held("f"), "g": used("g"), "h": used("h"), "i": used("i")}
    assert outcome["charged"] == {name: [[*astuple(it)] for it in its] for name, its in charged.items()}
    assert process.stderr.count("can't be written") == 1
    assert "unreadable" not in process.stderr
