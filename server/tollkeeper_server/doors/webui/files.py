"""The built files of the console application, as they are sent: read once, compressed by the build."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from werkzeug.datastructures import Accept

INDEX = "index.html"
ASSETS = "assets/"
"""Where the files are whose names change with their content."""

_MOST_BYTES = 64 * 1024 * 1024
# Others are no part of the application, such as maps of the sources.
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
# The nonce of an answer gets in front of it.
_BEFORE = "<title>"


class BuildError(Exception):
    """The built files can't be served; the message says why."""


class Coding(StrEnum):
    """A content coding in which a file can be sent. The first is the best of equals."""

    BROTLI = "br"
    GZIP = "gzip"
    IDENTITY = "identity"


_SUFFIXES = {Coding.BROTLI: ".br", Coding.GZIP: ".gz", Coding.IDENTITY: ""}


@dataclass(frozen=True, slots=True)
class File:
    """A file in its codings, in the order of `Coding`; without any it is always there."""

    media_type: str
    bodies: Mapping[Coding, bytes]

    def choose(self, accepted: Accept) -> Coding:
        """Return the coding that a caller likes best (RFC 9110, 12.5.3), without any if it likes none."""
        weights = {coding: accepted.quality(coding) for coding in self.bodies}
        best = max(self.bodies, key=weights.__getitem__)
        return best if weights[best] else Coding.IDENTITY


@dataclass(frozen=True, slots=True)
class Built:
    """A build. `page` is what stands before and behind the nonce's element; `files` are by path."""

    page: tuple[str, str]
    files: Mapping[str, File]


def load(folder: Path) -> Built:
    """Return the build in a folder. Raises BuildError, and OSError if a file can't be read."""
    html = (folder / INDEX).read_text(encoding="utf-8")
    before, found, behind = html.partition(_BEFORE)
    if not found:
        raise BuildError(f"{INDEX} of the build has no {_BEFORE}")
    sizes = {path: path.stat().st_size for path in _paths(folder)}
    if sum(sizes.values()) > _MOST_BYTES:
        raise BuildError(f"the build has more than {_MOST_BYTES // 2**20} MiB of files")
    files = {
        path.relative_to(folder).as_posix(): File(
            _MEDIA_TYPES[path.suffix],
            {
                coding: coded.read_bytes()
                for coding, suffix in _SUFFIXES.items()
                if (coded := path.with_name(path.name + suffix)) in sizes
            },
        )
        for path in sizes
        if path.suffix in _MEDIA_TYPES
    }
    return Built((before, found + behind), files)


def _paths(folder: Path) -> Iterator[Path]:
    for path in sorted([*folder.glob("*"), *(folder / ASSETS).rglob("*")]):
        name = path.name.removesuffix(".br").removesuffix(".gz")
        if Path(name).suffix in _MEDIA_TYPES and not name.startswith(".") and path.is_file():
            yield path
