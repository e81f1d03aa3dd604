"""Two servers on one SQLite file, as while one takes over from the other."""

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.domain.usage import UsageFilter
from tollkeeper_server.store.sqlite.schema import MIGRATIONS
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.contract.entities import a_project
from tests.faults.file_process import COUNTER

HERE = Path(__file__).parent
ROUNDS = 300
ENDLESS = 1_000_000


async def run(file: Path, rounds: int, kill_after: int = ENDLESS) -> list[tuple[str, str]]:
    """Run a process that writes, until it ends or has said so much; returns the ids of what it added."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(HERE / "file_process.py"), str(file), str(rounds)),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout
    assert await process.stdout.readline() == b"ready\n"
    added = []
    async for line in process.stdout:
        project, event = line.decode().split()
        added.append((project, event))
        if len(added) == kill_after:
            process.kill()
    assert await process.wait() == (0 if kill_after == ENDLESS else -9)
    return added


async def test_processes_that_write_and_die_beside_each_other_lose_nothing(tmp_path: Path) -> None:
    """Two write to the end without a failure while others are killed in the middle of writing."""
    file = tmp_path / "store.db"

    async def some_die() -> list[list[tuple[str, str]]]:
        return [await run(file, ENDLESS, kill_after) for kill_after in (3, 8, 13)]

    first, second, died = await asyncio.gather(run(file, ROUNDS), run(file, ROUNDS), some_die())

    store = SqliteStore(file)
    await store.open()
    projects = {project.id for project in await store.configuration.list(Project, limit=ENDLESS)}
    events = {event.id for event in await store.usage.list(UsageFilter(), limit=ENDLESS)}
    counter = await store.configuration.get(Upstream, COUNTER)
    await store.close()
    told = [*first, *second, *(ids for one in died for ids in one)]
    assert len(first) == len(second) == ROUNDS
    assert {project for project, _ in told} <= projects
    assert {event for _, event in told} <= events
    assert counter is not None
    # Each that was killed may have counted once more than it got to say.
    assert len(told) <= counter.revision <= len(told) + len(died)


async def test_the_schema_may_change_under_a_server_that_runs(tmp_path: Path) -> None:
    """The old one goes on writing and reading while and after the new one brings the file up to date."""
    file = tmp_path / "store.db"
    # What the old one asks for here wants none of the latest change.
    old, new = SqliteStore(file, migrations=MIGRATIONS[:-1]), SqliteStore(file)
    await old.open()
    stop = asyncio.Event()
    written = 0

    def placed(number: int) -> Placement:
        return Placement(id=f"file-{number}", upstream="a", project_id="prj_1", used_at=datetime.now(UTC))

    async def go_on() -> None:
        nonlocal written
        while not stop.is_set():
            added = placed(written)
            await old.placements.add([added])
            assert await old.placements.find_many([added.id]) == {added.id: added}
            written += 1

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(go_on())
        while written < 5:
            await old.ping()
        await new.open()
        project = a_project()
        await new.configuration.add(project)
        before = written
        while written < before + 5:
            assert await new.configuration.get(Project, project.id) == project
        stop.set()
    assert len(await new.placements.find_many([placed(it).id for it in range(written)])) == written
    await old.close()
    await new.close()
