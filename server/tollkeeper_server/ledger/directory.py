"""The directories of a journal's root: one for each process, held by a lock that dies with it.

    root/lock               taken briefly, so that directories come and go one at a time
    root/rejected.jsonl     events that the store refused (see drain.py)
    root/<instance>/lock    held as long as the process lives
    root/<instance>/*.jsonl its segments
    root/<instance>/untold  there while the shared ledger lacks what this process knows

The locks are flock's. They work on a local disk; a root shared over a network is not supported.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

_LOCK = "lock"
_UNTOLD = "untold"


class Claim:
    """A directory that this process holds, and no other can, until it is released or removed."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @property
    def has_untold(self) -> bool:
        """Whether the shared ledger lacks what its process knew at the end."""
        return (self.path / _UNTOLD).exists()

    def mark_untold(self, *, is_there: bool) -> None:
        """Have it on file whether it does. Raises OSError."""
        if is_there:
            (self.path / _UNTOLD).touch(mode=0o600)
        else:
            (self.path / _UNTOLD).unlink(missing_ok=True)

    def release(self) -> None:
        """Let another process claim the directory; do nothing if it is not held any more."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def remove(self) -> None:
        """Delete the directory with all it holds, and release it; do nothing if that was done."""
        if self._lock < 0:
            return
        with _exclusive(self.path.parent):
            for file in self.path.iterdir():
                file.unlink()
            self.path.rmdir()
            self.release()


def claim_own(root: Path, *, orphans: bool) -> tuple[Claim, list[Claim]]:
    """Make a directory for this process; with `orphans`, claim those whose process has died, too."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _exclusive(root):
        found = _claim_unheld(root) if orphans else []
        path = root / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}-{secrets.token_hex(4)}"
        path.mkdir(mode=0o700)
        own = _claim(path)
        assert own is not None
        return own, found


def claim_orphans(root: Path) -> list[Claim]:
    """Claim the directories whose process has died."""
    with _exclusive(root):
        return _claim_unheld(root)


def _claim_unheld(root: Path) -> list[Claim]:
    return [claim for path in sorted(root.iterdir()) if path.is_dir() and (claim := _claim(path)) is not None]


def _claim(path: Path) -> Claim | None:
    lock = _open_lock(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return Claim(path, lock)


@contextmanager
def _exclusive(root: Path) -> Iterator[None]:
    lock = _open_lock(root)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _open_lock(path: Path) -> int:
    return os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
