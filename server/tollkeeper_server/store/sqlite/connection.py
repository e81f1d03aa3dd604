"""One SQLite file, used from threads: one that writes, a few that read, never the event loop's.

The methods of the store's parts are plain functions of a `sqlite3.Connection`; `reads` and `writes` turn them
into coroutines that run them in a thread.
"""

import asyncio
import logging
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial, wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.store.ports import StoreCorruptError
from tollkeeper_server.store.sqlite.background import step_back
from tollkeeper_server.store.sqlite.schema import MIGRATIONS, Migrations, prepare
from tollkeeper_server.telemetry.outcomes import note_outcome

_log = logging.getLogger("tollkeeper.store")
_T = TypeVar("_T")
_P = ParamSpec("_P")
_Part = TypeVar("_Part", bound="SqlitePart")
_READERS = 4
# After how many steps of SQLite's machine a read looks whether anybody waits for it: some milliseconds.
_STEPS = 100_000
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class SqliteConnection:
    """Runs functions on the connections to one database file."""

    def __init__(self, path: Path, *, busy_seconds: float, migrations: Migrations = MIGRATIONS) -> None:
        """Take the file, and how long to wait for another process that is writing to it.

        `migrations` are the steps to the schema's present shape.
        """
        self._path = path
        self._busy_seconds = busy_seconds
        self._migrations = migrations
        self._file_id: tuple[int, int] | None = None
        self._writer: sqlite3.Connection | None = None
        self._idle_readers: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._writing: ThreadPoolExecutor | None = None
        self._reading: ThreadPoolExecutor | None = None
        self._reads: set[threading.Event] = set()

    async def open(self) -> None:
        """Open the file, making it if it is not there, readable by its owner alone.

        Raises `StoreCorruptError` if it can't be used, `StoreUnavailableError` if it is locked.
        """
        # Most writes are of usage, for which no request waits.
        writing = ThreadPoolExecutor(1, "tollkeeper-sqlite-write", step_back)
        try:
            await _finish(writing, self._open)
        except BaseException:
            writing.shutdown(wait=False)
            raise
        self._writing = writing
        self._reading = ThreadPoolExecutor(_READERS, "tollkeeper-sqlite-read")

    async def close(self) -> None:
        """Wait for the calls under way, but stop long reads, then close every connection.

        A second call does nothing.
        """
        for left in self._reads:
            left.set()
        writing, reading = self._writing, self._reading
        self._writing = self._reading = None
        if writing and reading:
            await asyncio.shield(asyncio.to_thread(self._close, writing, reading))

    async def read(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Return the result of `work`, run on a connection that can't write; stop it if the caller leaves.

        Raises `StoreUnavailableError` if the file can't be read.
        """
        left = threading.Event()

        def run() -> _T:
            connection = self._idle_readers.get_nowait()  # there are as many as threads
            # Not `interrupt`, which a statement that is just about to begin does not notice.
            connection.set_progress_handler(left.is_set, _STEPS)
            try:
                self._check_in_place()
                return work(connection)
            except sqlite3.OperationalError as error:
                if left.is_set():
                    raise StoreUnavailableError("the store") from error
                raise
            finally:
                connection.set_progress_handler(None, 0)
                self._idle_readers.put(connection)

        if self._reading is None:
            raise StoreUnavailableError("the store")
        self._reads.add(left)
        try:
            return await _finish(self._reading, run)
        except asyncio.CancelledError:
            left.set()
            raise
        finally:
            self._reads.discard(left)

    async def write(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Return the result of `work`, run in a transaction of its own, all of it or nothing.

        `work` runs to its end even if the caller is cancelled, and handles `sqlite3.IntegrityError` itself.
        It has the caller's context variables.
        Raises `StoreUnavailableError` if the file can't be written.
        """

        def run() -> _T:
            connection = self._writer
            if connection is None:
                raise StoreUnavailableError("the store")
            self._check_in_place()
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            return result

        if self._writing is None:
            raise StoreUnavailableError("the store")
        return await _finish(self._writing, partial(copy_context().run, run))

    def _open(self) -> None:
        connections: list[sqlite3.Connection] = []
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # SQLite gives the files beside it (-wal, -shm) the same mode.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            connections.append(self._connect())
            prepare(connections[0], self._path, busy_seconds=self._busy_seconds, migrations=self._migrations)
            for _ in range(_READERS):
                connections.append(self._connect())
                connections[-1].execute("PRAGMA query_only = ON")
        except BaseException as error:
            for connection in connections:
                connection.close()
            if isinstance(error, OSError):
                raise StoreCorruptError(
                    f"store {self._path}: it can't be read and written ({error.strerror}); "
                    "name a file in a directory that Tollkeeper may write to"
                ) from error
            if isinstance(error, sqlite3.DatabaseError) and error.sqlite_errorcode & 0xFF not in _BUSY:
                raise StoreCorruptError(
                    f"store {self._path}: it can't be used as a database ({error}); restore it from a "
                    "backup, or move it away to start with an empty one"
                ) from error
            raise
        self._writer = connections[0]
        self._idle_readers = queue.SimpleQueue()
        for connection in connections[1:]:
            self._idle_readers.put(connection)
        self._file_id = self._find()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False
        )
        # In WAL mode NORMAL survives any crash of the process; a power cut may take the last
        # transactions with it, but never leaves a damaged file. FULL would wait for the disk each time.
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def _close(self, writing: ThreadPoolExecutor, reading: ThreadPoolExecutor) -> None:
        reading.shutdown()
        writing.shutdown()
        for _ in range(_READERS):
            self._idle_readers.get_nowait().close()
        if self._writer:
            self._writer.close()
            self._writer = None

    def _find(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return (found.st_dev, found.st_ino)

    def _check_in_place(self) -> None:
        # An open file that was removed still takes writes, which then vanish with the last connection.
        if self._find() != self._file_id:
            _log.error("store %s is gone or was replaced while in use; put it back or restart", self._path)
            raise StoreUnavailableError("the store")


class SqlitePart:
    """A part of the store, on the connection that all parts share."""

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection


def reads(
    method: Callable[Concatenate[_Part, sqlite3.Connection, _P], _T],
) -> Callable[Concatenate[_Part, _P], Coroutine[Any, Any, _T]]:
    """Return the method as a coroutine that runs it on a connection that can't write, while it is awaited."""

    @wraps(method)
    async def run(self: _Part, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await self._connection.read(lambda db: method(self, db, *args, **kwargs))

    return run


def writes(
    method: Callable[Concatenate[_Part, sqlite3.Connection, _P], _T],
) -> Callable[Concatenate[_Part, _P], Coroutine[Any, Any, _T]]:
    """Return the method as a coroutine that runs it in a transaction, to its end if the caller leaves."""

    @wraps(method)
    async def run(self: _Part, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await self._connection.write(lambda db: method(self, db, *args, **kwargs))

    return run


async def _finish(pool: ThreadPoolExecutor, work: Callable[[], _T]) -> _T:
    """Run `work` in the pool, to its end even if the caller is cancelled."""
    running = asyncio.get_running_loop().run_in_executor(pool, work)
    running.add_done_callback(note_outcome)
    try:
        return await asyncio.shield(running)
    except sqlite3.Error as error:
        _log.error("the store did not answer: %s", error)
        raise StoreUnavailableError("the store") from error
