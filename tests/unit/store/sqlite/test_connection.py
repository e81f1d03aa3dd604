"""What can be wrong with a SQLite file."""

import asyncio
import sqlite3
import stat
from pathlib import Path

import pytest
from tollkeeper_server.domain.project import Project
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.store.ports import StoreCorruptError
from tollkeeper_server.store.sqlite.connection import SqliteConnection
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.contract.entities import a_project


async def refusal_of(path: Path) -> str:
    """Return why the store at `path` does not open."""
    store = SqliteStore(path)
    with pytest.raises(StoreCorruptError) as refusal:
        await store.open()
    await store.close()
    assert str(path) in str(refusal.value)
    return str(refusal.value)


async def filled(path: Path) -> None:
    """Make a store with something in it."""
    store = SqliteStore(path)
    await store.open()
    for _ in range(200):
        await store.configuration.add(a_project())
    await store.close()


async def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    """The database and the files that SQLite keeps beside it; nobody else may read them."""
    path = tmp_path / "data" / "store.db"
    store = SqliteStore(path)
    await store.open()
    await store.configuration.add(a_project())
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    await store.close()
    assert modes == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_what_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A file of another kind is named, with a remedy."""
    path = tmp_path / "store.db"
    path.write_text("to be or not to be\n" * 500)
    before = path.read_bytes()
    assert "move it away to start with an empty one" in await refusal_of(path)
    assert path.read_bytes() == before


async def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    """Nothing is added to it, and nothing changed."""
    path = tmp_path / "store.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE bookmarks (url TEXT)")
    other.commit()
    assert "another program" in await refusal_of(path)
    assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("bookmarks",)]
    assert other.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    other.close()


@pytest.mark.parametrize("cut", [False, True], ids=["overwritten", "cut short"])
async def test_a_damaged_database_is_refused(tmp_path: Path, cut: bool) -> None:
    """Damage in the middle is found at the start, not when a token is looked up."""
    path = tmp_path / "store.db"
    await filled(path)
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        whole[:middle] if cut else whole[: middle - 5000] + b"\xa5" * 10_000 + whole[middle + 5000 :]
    )
    assert "restore it from a backup" in await refusal_of(path)


@pytest.mark.parametrize("where", ["file/store.db", "directory", "/proc/self/store.db"])
async def test_a_place_that_can_not_be_written_is_refused(tmp_path: Path, where: str) -> None:
    """A file where a directory should be, a directory where the file should be, or no permission."""
    (tmp_path / "file").touch()
    (tmp_path / "directory").mkdir()
    assert "a directory that Tollkeeper may write to" in await refusal_of(tmp_path / where)


async def test_a_lock_held_by_others_is_no_corruption(tmp_path: Path) -> None:
    """Write say unavailable, reads go on, and writes do when the lock is gone."""
    path = tmp_path / "store.db"
    store = SqliteStore(path, busy_seconds=0.01)
    await store.open()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError):
        await store.configuration.add(a_project())
    assert await store.configuration.list(Project, limit=1) == []
    second = SqliteStore(path, busy_seconds=0.01)
    with pytest.raises(StoreUnavailableError):
        await second.open()

    other.execute("ROLLBACK")
    other.close()
    await store.configuration.add(a_project())
    await store.close()


async def test_a_file_replaced_while_in_use_takes_no_writes(tmp_path: Path) -> None:
    """They would go to a file that nobody can find."""
    path = tmp_path / "store.db"
    await filled(tmp_path / "other.db")
    store = SqliteStore(path)
    await store.open()
    (tmp_path / "other.db").replace(path)
    with pytest.raises(StoreUnavailableError):
        await store.configuration.add(a_project())
    with pytest.raises(StoreUnavailableError):
        await store.ping()
    await store.close()


async def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    """What fails in the middle leaves nothing, and the next one is not inside it."""
    connection = SqliteConnection(tmp_path / "store.db", busy_seconds=1)
    await connection.open()

    def keep(db: sqlite3.Connection, name: str) -> None:
        db.execute("INSERT INTO secrets VALUES (?, 'sealed')", (name,))

    def fail(db: sqlite3.Connection) -> None:
        keep(db, "half")
        raise KeyError

    with pytest.raises(KeyError):
        await connection.write(fail)
    await connection.write(lambda db: keep(db, "whole"))
    names = await connection.read(lambda db: db.execute("SELECT name FROM secrets").fetchall())
    await connection.close()
    assert names == [("whole",)]


async def test_readers_can_not_write(tmp_path: Path) -> None:
    """Write have one thread, so that none waits for another inside this process."""
    connection = SqliteConnection(tmp_path / "store.db", busy_seconds=1)
    await connection.open()
    with pytest.raises(StoreUnavailableError):
        await connection.read(lambda db: db.execute("DELETE FROM secrets"))
    await connection.close()


async def test_many_calls_at_once_are_served(tmp_path: Path) -> None:
    """More readers than connections wait their turn; writers do not disturb them."""
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    project = a_project()
    await store.configuration.add(project)
    found = await asyncio.gather(
        *(store.configuration.get(Project, project.id) for _ in range(100)),
        *(store.configuration.add(a_project()) for _ in range(20)),
    )
    await store.close()
    assert found[:100] == [project] * 100
