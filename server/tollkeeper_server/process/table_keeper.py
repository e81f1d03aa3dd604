"""The table of the ledger that the processes of one data directory share, and the way to it.

One process at a time holds the lock beside the UNIX socket, and answers there. When it ends, however it ends,
the kernel gives the lock to whoever asks next.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path

from tollkeeper_server.ledger.shared.broker import Broker, by_socket
from tollkeeper_server.ledger.shared.ledger import Connect
from tollkeeper_server.process.keys import data_dir_error
from tollkeeper_server.process.unix_socket import accept, connect, listen, peer_of

_log = logging.getLogger("tollkeeper.ledger")
_SOCKET, _LOCK = "ledger.sock", "ledger.lock"
_RETRY_SECONDS = 0.05


class TableKeeper:
    """Keeps the table of a data directory, as soon as no other process does."""

    def __init__(self, data_dir: Path, clock: Callable[[], int]) -> None:
        """Take a clock in microseconds since 1970 that never goes back."""
        self._path = data_dir / _SOCKET
        self._lock_path = data_dir / _LOCK
        self._clock = clock
        self._lock = -1
        self._broker: Broker | None = None
        self._listening: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Keep the table from now on, or from when its process has ended. Raises `SettingsError`."""
        try:
            self._lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._try_to_listen()
        except OSError as error:
            raise data_dir_error(self._path, error) from error
        self._task = asyncio.create_task(self._keep(), name="ledger-table")

    async def close(self) -> None:
        """Leave the table to another process."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        if self._broker is not None:
            self._broker.close()
        if self._listening is not None:
            self._listening.close()
        if self._lock >= 0:
            os.close(self._lock)

    def bury(self, member: str) -> None:
        """Hear that a member has died."""
        if self._broker is not None:
            self._broker.bury(member)

    async def sweep(self) -> None:
        """Forget what the table needs no more, if it is kept here."""
        if self._broker is not None:
            self._broker.sweep()

    def _try_to_listen(self) -> None:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._listening = listen(self._path, socket.SOCK_STREAM)
            self._broker = Broker(self._clock)

    async def _keep(self) -> None:
        while self._listening is None:
            await asyncio.sleep(_RETRY_SECONDS)
            try:
                self._try_to_listen()
            except OSError as error:
                _log.error("%s: %s; limits go on by shares", self._path, error.strerror or error)
        assert self._broker is not None
        while True:
            connected = await accept(self._listening)
            if peer_of(connected).uid == os.geteuid():
                await self._broker.take(connected)
            else:
                connected.close()


def table_of(data_dir: Path) -> Connect:
    """Return what connects to the table of a data directory."""
    path = data_dir / _SOCKET

    def connected() -> socket.socket:
        found = connect(path, socket.SOCK_STREAM)
        if found is None:
            raise ConnectionRefusedError(f"no process keeps the table at {path}")
        if peer_of(found).uid != os.geteuid():
            found.close()
            raise PermissionError(f"{path} belongs to a process of another user")
        found.setblocking(False)
        return found

    return by_socket(connected)
