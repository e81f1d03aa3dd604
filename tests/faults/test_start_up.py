"""A gateway that can't start says why in one plain line that names the remedy, and no secret."""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tollkeeper_server.process.certificate import load_certificate
from tollkeeper_server.process.keys import load_digest_key
from tollkeeper_server.settings import Settings, Tls
from tollkeeper_server.store.sealed import Sealer, new_key
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.faults.processes import ENCRYPTION_KEY
from tests.integration.process import MANAGEMENT_TOKEN, Gateway, clean_environment

CANARY = "startup-canary-5d0c7a"
START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Case:
    """Settings a gateway can't start with, and what it says about them. `{0}` is the case's folder."""

    says: tuple[str, ...]
    settings: dict[str, str] = field(default_factory=dict)
    prepare: Callable[[Path], object] = lambda _: None


def garbage(path: str) -> Callable[[Path], object]:
    return lambda folder: (folder / path).write_bytes(b"\x00\xffneither this nor that: [" * 500)


def text(path: str, content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / path).write_text(content)


def damaged_database(folder: Path) -> None:
    newer_database(folder, version=1)
    path = folder / "store.db"
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)


def newer_database(folder: Path, *, version: int = 999) -> None:
    asyncio.run(_make_store(folder / "store.db"))
    connection = sqlite3.connect(folder / "store.db")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()


def foreign_database(folder: Path) -> None:
    connection = sqlite3.connect(folder / "store.db")
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()


def database_of_another_key(folder: Path) -> None:
    asyncio.run(_make_store(folder / "store.db"))


async def _make_store(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await load_digest_key(store.secrets, Sealer(new_key()))
    await store.close()


def certificate(folder: Path) -> None:
    load_certificate(Settings(data_dir=folder, tls=Tls.SELF_SIGNED))


def mismatched_certificate(folder: Path) -> None:
    certificate(folder)
    other = ec.generate_private_key(ec.SECP256R1())
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "self-signed.key").write_bytes(pem)


STORE = {"STORE": "sqlite:///{0}/store.db"}
TLS_FILES = {"TLS_CERT": "{0}/self-signed.crt", "TLS_KEY": "{0}/self-signed.key"}
CASES = {
    "no management token": Case(
        ("TOLLKEEPER_MANAGEMENT_TOKEN is not set", "openssl rand -base64 32"), {"MANAGEMENT_TOKEN": ""}
    ),
    "a short management token": Case(
        ("MANAGEMENT_TOKEN", "16 characters"), {"MANAGEMENT_TOKEN": CANARY[-15:]}
    ),
    "a malformed encryption key": Case(
        ("encryption_key", "openssl rand -base64 32"), {"ENCRYPTION_KEY": CANARY}
    ),
    "a settings file that is not there": Case(("missing.yaml",), {"SETTINGS": "{0}/missing.yaml"}),
    "a settings file of garbage": Case(
        ("settings.yaml", "not valid YAML"), {"SETTINGS": "{0}/settings.yaml"}, garbage("settings.yaml")
    ),
    "a settings file with a mistake": Case(
        ("settings.yaml, line 2", "not valid YAML"),
        {"SETTINGS": "{0}/settings.yaml"},
        text("settings.yaml", f"poll_seconds: 1\nredis: {CANARY}: [\nstore: sqlite\n"),
    ),
    "a settings file of another shape": Case(
        ("settings.yaml", "mapping"), {"SETTINGS": "{0}/settings.yaml"}, text("settings.yaml", "- a\n- b\n")
    ),
    "an unknown setting in the file": Case(
        ("pol_seconds",), {"SETTINGS": "{0}/settings.yaml"}, text("settings.yaml", f"pol_seconds: {CANARY}\n")
    ),
    "an unknown setting in the environment": Case(("TOLLKEEPER_POL_SECONDS",), {"POL_SECONDS": CANARY}),
    "a setting out of range": Case(("poll_seconds",), {"POLL_SECONDS": "-1"}),
    "a setting that is no number": Case(("max_body_bytes",), {"MAX_BODY_BYTES": CANARY}),
    "an address that is none": Case(("data_address", "HOST:PORT"), {"DATA_ADDRESS": "here"}),
    "an address of another machine": Case(
        ("data plane", "192.0.2.1:3000", "TOLLKEEPER_DATA_ADDRESS"), {"DATA_ADDRESS": "192.0.2.1:3000"}
    ),
    "a store of another kind": Case(("store", "mongodb://"), {"STORE": f"postgres://u:{CANARY}@localhost/x"}),
    "a database of garbage": Case(
        ("store.db", "restore it from a backup", "move it away"), STORE, garbage("store.db")
    ),
    "a damaged database": Case(("store.db", "restore it from a backup"), STORE, damaged_database),
    "a database of a newer version": Case(("store.db", "newer", "999"), STORE, newer_database),
    "a database of another program": Case(("store.db", "another program"), STORE, foreign_database),
    "a database that is a folder": Case(("store.db",), STORE, lambda folder: (folder / "store.db").mkdir()),
    "another encryption key": Case(
        ("sealed with key", "TOLLKEEPER_ENCRYPTION_KEY"), STORE, database_of_another_key
    ),
    "a MongoDB that is not there": Case(
        ("store", "not reachable"),
        {"STORE": f"mongodb://u:{CANARY}@127.0.0.1:1/x?serverSelectionTimeoutMS=300"},
    ),
    "a malformed MongoDB URL": Case(
        ("TOLLKEEPER_STORE", "mongodb://HOST/DATABASE"), {"STORE": f"mongodb://u:{CANARY}@:x/y/z?w=w=w"}
    ),
    "a Redis URL of another kind": Case(("redis", "redis://HOST"), {"REDIS": f"http://:{CANARY}@localhost"}),
    "a malformed Redis URL": Case(("redis", "redis://HOST"), {"REDIS": f"redis://:{CANARY}@localhost:x/0"}),
    "a malformed option of Redis": Case(
        ("redis", "redis://HOST"), {"REDIS": f"redis://:{CANARY}@localhost?socket_timeout=soon"}
    ),
    "an unknown option of Redis": Case(
        ("redis", "redis://HOST"), {"REDIS": f"redis://:{CANARY}@localhost?nonsense=1"}
    ),
    "a data directory that is a file": Case(
        ("data_dir", "/file", "may write to"), {"DATA_DIR": "{0}/file"}, text("file", "not a directory")
    ),
    "a data directory below a file": Case(
        ("data_dir", "/file", "may write to"), {"DATA_DIR": "{0}/file/data"}, text("file", "not a directory")
    ),
    "a data directory where none can be made": Case(
        ("data_dir", "/proc/nowhere", "may write to"), {"DATA_DIR": "/proc/nowhere"}
    ),
    "a journal that is a file": Case(
        ("data_dir", "journal", "may write to"), {"DATA_DIR": "{0}"}, text("journal", "not a directory")
    ),
    "a certificate that is missing for gRPC": Case(("grpc_tls needs a certificate",), {"GRPC_TLS": "true"}),
    "certificates that are not there": Case(("tls_cert", "self-signed.crt"), TLS_FILES),
    "certificates of garbage": Case(
        ("tls_cert", "not a PEM file"),
        TLS_FILES,
        lambda folder: [garbage(name)(folder) for name in ("self-signed.crt", "self-signed.key")],
    ),
    "a key of another certificate": Case(
        ("tls_key", "does not belong to"), TLS_FILES, mismatched_certificate
    ),
    "a certificate without its key": Case(
        ("tls_cert and tls_key go together",), {"TLS_CERT": "{0}/self-signed.crt"}, certificate
    ),
}
LISTENERS = {"data": "data plane", "console": "console", "grpc": "gRPC"}


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a gateway that could not start."""

    status: int
    output: str

    @property
    def line(self) -> str:
        """The last line of what it said."""
        return self.output.strip().rpartition("\n")[2]

    def assert_plain(self, *says: str) -> None:
        """Assert that it wrote one plain line for people, with all these words."""
        assert self.status == 1
        assert self.line.startswith("tollkeeper: ")
        assert self.output.count("tollkeeper: ") == 1
        assert "Traceback" not in self.output
        assert CANARY not in self.output
        assert CANARY[-15:] not in self.output
        for words in says:
            assert words in self.line


def environment(folder: Path, settings: dict[str, str]) -> dict[str, str]:
    """Return the environment of a gateway with these settings."""
    all_of_them = {
        "MANAGEMENT_TOKEN": MANAGEMENT_TOKEN,
        "ENCRYPTION_KEY": ENCRYPTION_KEY,
        "DATA_DIR": "{0}/data",
        "DATA_ADDRESS": "127.0.0.1:0",
        "CONSOLE_ADDRESS": "127.0.0.1:0",
        "GRPC_ADDRESS": "127.0.0.1:0",
    } | settings
    return clean_environment(
        **{f"TOLLKEEPER_{name}": value.replace("{0}", str(folder)) for name, value in all_of_them.items()}
    )


def start(folder: Path, settings: dict[str, str]) -> Ended:
    """Let a gateway try to start, and return its end."""
    done = subprocess.run(
        [sys.executable, "-m", "tollkeeper_server", "serve"],
        env=environment(folder, settings),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
        timeout=START_SECONDS,
    )
    return Ended(done.returncode, done.stdout)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """The end of each of the cases."""
    folders = {name: tmp_path_factory.mktemp("case") for name in CASES}
    for name, case in CASES.items():
        case.prepare(folders[name])
    attempts = [
        (str(folders[name]), environment(folders[name], case.settings)) for name, case in CASES.items()
    ]
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("starting_process.py"))],
        input=json.dumps(attempts),
        env=clean_environment(PYTHONPATH=os.pathsep.join(sys.path)),
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        timeout=START_SECONDS,
    )
    statuses: list[int] = json.loads(done.stdout)
    return {
        name: Ended(status, (folder / "output").read_text())
        for (name, folder), status in zip(folders.items(), statuses, strict=True)
    }


@pytest.mark.parametrize("name", CASES)
def test_it_says_what_keeps_it_from_starting(ended: dict[str, Ended], name: str) -> None:
    ended[name].assert_plain(*CASES[name].says)


@pytest.mark.parametrize("listener", LISTENERS)
def test_a_second_process_on_the_same_port_says_which(
    gateway: Gateway, tmp_path: Path, listener: str
) -> None:
    address = getattr(gateway, listener).rpartition("/")[2]
    setting = f"{listener.upper()}_ADDRESS"
    ended = start(tmp_path, {setting: address})
    ended.assert_plain(LISTENERS[listener], address, f"TOLLKEEPER_{setting}", "stop the process")


def test_what_was_refused_changes_nothing(tmp_path: Path) -> None:
    newer_database(tmp_path)
    before = (tmp_path / "store.db").read_bytes()
    start(tmp_path, STORE)
    assert (tmp_path / "store.db").read_bytes() == before
    assert not (tmp_path / "data" / "journal").exists()
