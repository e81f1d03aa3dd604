"""Which store a URL names."""

import subprocess
import sys
from pathlib import Path

import pytest
from tollkeeper_server.store.open import make_store
from tollkeeper_server.store.sqlite.store import SqliteStore


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite", "data/tollkeeper.db"),
        ("sqlite:///sub/other.db", "sub/other.db"),
        ("sqlite:///{tmp_path}/absolute.db", "absolute.db"),
    ],
)
async def test_a_file_is_where_the_url_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, file: str
) -> None:
    """In the data directory, relative to the working directory, or absolute; directories are made."""
    monkeypatch.chdir(tmp_path)
    store = make_store(url.format(tmp_path=tmp_path), Path("data"))
    assert isinstance(store, SqliteStore)
    await store.open()
    await store.close()
    assert (tmp_path / file).is_file()


@pytest.mark.parametrize("url", ["", "sqlite:///", "sqlite://x", "sqlite:x", "postgres://canary@host/db"])
def test_other_urls_are_refused(url: str) -> None:
    """The message names the field and what is expected, and does not repeat what may hold a password."""
    with pytest.raises(ValueError, match=r"store: expected sqlite, sqlite:///FILE or mongodb:") as refusal:
        make_store(url, Path())
    assert "canary" not in str(refusal.value)


def test_a_file_needs_no_mongodb_driver() -> None:
    """Who keeps a file does not load it."""
    code = (
        "import sys; from pathlib import Path; from tollkeeper_server.store.open import make_store; "
        "make_store('sqlite', Path()); sys.exit('pymongo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
