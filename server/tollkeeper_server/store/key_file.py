"""Secrets that a server makes for itself and keeps beside its data, readable by the owner alone."""

import os
from collections.abc import Callable
from pathlib import Path


class KeyFileError(Exception):
    """A key file can't be read or written; the message says which and why."""


def keep(path: Path, make: Callable[[], str]) -> tuple[str, bool]:
    """Return the text of the file, which is `make()` if there was no file, and whether it was made now.

    Of two processes that start at once, both return the same text. Raises `KeyFileError`.
    """
    try:
        made = _write_new(path, make)
        return path.read_text(encoding="ascii").strip(), made
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise KeyFileError(f"the key file {path} can't be used: {reason}") from error


def _write_new(path: Path, make: Callable[[], str]) -> bool:
    if path.exists():
        return False
    # The file is written whole before it gets its name: a reader never sees half a key.
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, make().encode("ascii") + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True
