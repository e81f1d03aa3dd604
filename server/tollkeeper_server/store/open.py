"""The store that a URL names."""

from pathlib import Path

from tollkeeper_server.store.ports import Store

EMBEDDED_FILE = "tollkeeper.db"


def make_store(url: str, data_dir: Path) -> Store:
    """Return the store that `url` names, not yet open.

    `sqlite` is a file in the data directory; `sqlite:///FILE` any other, where a fourth slash begins an
    absolute path; `mongodb://HOST/DATABASE` or `mongodb+srv://…` a MongoDB. Raises ValueError for others.
    """
    if url.startswith(("mongodb://", "mongodb+srv://")):
        # The driver takes long to import; a process with a file does not wait for it.
        from tollkeeper_server.store.mongo.store import MongoStore

        return MongoStore(url)

    from tollkeeper_server.store.sqlite.store import SqliteStore

    file = file_of(url, data_dir)
    if file is None:
        raise ValueError("store: expected sqlite, sqlite:///FILE or mongodb://HOST/DATABASE")
    return SqliteStore(file)


def file_of(url: str, data_dir: Path) -> Path | None:
    """Return the file of the store that `url` names, None if it is none in a file."""
    if url == "sqlite":
        return data_dir / EMBEDDED_FILE
    path = url.removeprefix("sqlite:///")
    return Path(path) if path and path != url else None
