"""What a browser loads of the console's application, compressed by gzip: `make webui` has built it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import pytest

DIST = Path(__file__).resolve().parents[2] / "webui" / "dist"
ENTRY, CONSOLE = "index.html", "src/app/Console.tsx"
KB = 1000
MOST = {
    "entry": 225 * KB,
    "page without charts": 250 * KB,
    "page with charts": 400 * KB,
    "page with everything": 500 * KB,
    "styles": 45 * KB,
}


class Chunk(msgspec.Struct, rename="camel"):
    """A file of the build, by Vite's manifest."""

    file: str
    imports: list[str] = []
    dynamic_imports: list[str] = []
    css: list[str] = []


@pytest.fixture(scope="module")
def chunks() -> Mapping[str, Chunk]:
    """The build's files by their names."""
    manifest = (DIST / ".vite" / "manifest.json").read_bytes()
    return msgspec.json.decode(manifest, type=dict[str, Chunk])


def closure(chunks: Mapping[str, Chunk], *names: str) -> set[str]:
    """Return the chunks that are loaded before one of these runs."""
    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += chunks[name].imports
    return found


def weight(files: set[str]) -> int:
    """Return the bytes of files as gzip makes them, where it makes them smaller."""
    return sum(
        min(path.stat().st_size for path in (DIST / file, DIST / f"{file}.gz") if path.is_file())
        for file in files
    )


def scripts(chunks: Mapping[str, Chunk], names: set[str]) -> set[str]:
    return {chunks[name].file for name in names}


def pages(chunks: Mapping[str, Chunk]) -> Iterator[str]:
    found = [name for name in chunks[CONSOLE].dynamic_imports if "/pages/" in name]
    assert len(found) > 10
    yield from found


def test_the_sign_in_is_small(chunks: Mapping[str, Chunk]) -> None:
    assert weight(scripts(chunks, closure(chunks, ENTRY))) <= MOST["entry"]


def test_every_page_is_small_until_it_has_charts_and_dialogs(chunks: Mapping[str, Chunk]) -> None:
    found = {page: weight(scripts(chunks, closure(chunks, ENTRY, CONSOLE, page))) for page in pages(chunks)}
    assert {page: it for page, it in found.items() if it > MOST["page without charts"]} == {}


def later(chunks: Mapping[str, Chunk], page: str) -> Iterator[set[str]]:
    """Yield what a page loads after it is there: for each chart, form or dialog, all that it needs."""
    frame = closure(chunks, ENTRY, CONSOLE)
    waiting, seen = closure(chunks, page) - frame, set[str]()
    while waiting:
        new = {it for name in waiting for it in chunks[name].dynamic_imports} - seen
        seen |= new
        yield from (closure(chunks, it) for it in new)
        waiting = closure(chunks, *new) - frame


def test_every_page_is_bounded_with_its_charts(chunks: Mapping[str, Chunk]) -> None:
    found = {}
    for page in pages(chunks):
        loaded = closure(chunks, ENTRY, CONSOLE, page)
        charts = [it for it in later(chunks, page) if any("Chart-" in chunks[name].file for name in it)]
        found[page] = weight(scripts(chunks, loaded.union(*charts)))
    assert (
        len({it for it in found.values() if it > MOST["page without charts"]}) > 2
    )  # it knows those with charts
    assert {page: it for page, it in found.items() if it > MOST["page with charts"]} == {}


def test_every_page_is_bounded_with_all_its_charts_forms_and_dialogs(chunks: Mapping[str, Chunk]) -> None:
    found = {
        page: weight(scripts(chunks, closure(chunks, ENTRY, CONSOLE, page).union(*later(chunks, page))))
        for page in pages(chunks)
    }
    assert {page: it for page, it in found.items() if it > MOST["page with everything"]} == {}


def test_all_styles_are_bounded(chunks: Mapping[str, Chunk]) -> None:
    assert 0 < weight({css for chunk in chunks.values() for css in chunk.css}) <= MOST["styles"]
