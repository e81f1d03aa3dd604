"""Files that commands read and write; `-` is standard input."""

import sys
from pathlib import Path

import click

from tollkeeper.configuration.errors import ConfigurationError
from tollkeeper.configuration.tree import MAX_BYTES

FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


def read_file(path: Path) -> str:
    """Return the text of a file, or of standard input for `-`.

    Raises `click.UsageError` if it can't be read, and `ConfigurationError` if it is too large or not UTF-8.
    """
    try:
        if str(path) == "-":
            content = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise ConfigurationError(f"the file has more than {MAX_BYTES:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"not UTF-8 at byte {error.start}") from None


def write_file(path: Path, text: str) -> None:
    """Write a file that only its owner may read. Raises `click.UsageError` if it can't be written."""
    try:
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from error
