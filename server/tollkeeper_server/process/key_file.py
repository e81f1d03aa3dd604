"""Secrets that a server makes for itself and keeps in its data directory, readable by its owner alone."""

import os
from collections.abc import Callable
from pathlib import Path

from tollkeeper_server.process.errors import RunError


class KeyFileError(RunError):
    """A key file can't be read or written; the message says which and why."""


def read_or_make(path: Path, make: Callable[[], str]) -> str:
    """Return the content of the file, after writing `make()` into it if there is none.

    Two processes that start at the same time return the same. Raises `KeyFileError`.
    """
    try:
        if not path.exists():
            _write_new(path, make())
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise KeyFileError(f"the key file {path} can't be used: {reason}") from error


def _write_new(path: Path, content: str) -> None:
    """Write the file, unless another process was faster."""
    # Written whole before it gets its name, so that no process reads half a key.
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, content.encode("ascii") + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
