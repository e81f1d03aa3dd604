"""A setting comes from an option, the environment or a file; a bad one is refused and never shown."""

import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr
from tollkeeper_server.settings import (
    ENV_PREFIX,
    DiskFull,
    LogFormat,
    Settings,
    SettingsError,
    Tls,
    load_settings,
    read_settings_file,
)

TOKEN = "a-management-token-of-some-length"
OTHER = "another-management-token-of-some-length"

# Every field: a value as text, and the value that the setting has then.
FIELDS: dict[str, tuple[str, object]] = {
    "data_dir": ("/var/lib/tollkeeper", Path("/var/lib/tollkeeper")),
    "config": ("/etc/tollkeeper.yaml", Path("/etc/tollkeeper.yaml")),
    "store": ("mongodb://db.test/tollkeeper", "mongodb://db.test/tollkeeper"),
    "redis": ("redis://cache.test:6379/0", "redis://cache.test:6379/0"),
    "management_token": (TOKEN, SecretStr(TOKEN)),
    "encryption_key": ("a2V5", SecretStr("a2V5")),
    "workers": ("4", 4),
    "data_address": ("127.0.0.1:3001", "127.0.0.1:3001"),
    "console_address": (":8081", "0.0.0.0:8081"),
    "grpc_address": ("[::1]:50052", "[::1]:50052"),
    "tls": ("self-signed", Tls.SELF_SIGNED),
    "tls_cert": ("/etc/cert.pem", Path("/etc/cert.pem")),
    "tls_key": ("/etc/key.pem", Path("/etc/key.pem")),
    "grpc_tls": ("true", True),
    "max_connections": ("50", 50),
    "max_connections_per_address": ("5", 5),
    "data_tls": ("true", True),
    "proxy_from_environment": ("true", True),
    "max_body_bytes": ("2048", 2048),
    "max_bodies_bytes": ("8192", 8192),
    "max_upload_bytes": ("4096", 4096),
    "share_kept": ("true", True),
    "cost_header": ("false", False),
    "auth_cache_seconds": ("60", 60.0),
    "unknown_token_seconds": ("0.5", 0.5),
    "poll_seconds": ("2", 2.0),
    "connect_timeout_seconds": ("3", 3.0),
    "first_byte_timeout_seconds": ("4", 4.0),
    "idle_timeout_seconds": ("5", 5.0),
    "total_timeout_seconds": ("6", 6.0),
    "default_max_output": ("512", 512),
    "drain_seconds": ("7", 7.0),
    "takeover": ("true", True),
    "disk_full": ("refuse", DiskFull.REFUSE),
    "log_level": ("DEBUG", "debug"),
    "log_format": ("json", LogFormat.JSON),
    "metrics_llmproxy_names": ("true", True),
    "demo": ("true", True),
    "prune": ("true", True),
}
# Fields that a field needs beside it.
COMPANIONS = {
    "tls_cert": {"tls_key": "/etc/key.pem"},
    "tls_key": {"tls_cert": "/etc/cert.pem"},
    "grpc_tls": {"tls": "self-signed"},
    "data_tls": {"tls": "self-signed"},
    "prune": {"config": "/etc/tollkeeper.yaml"},
}

File = Callable[[object], None]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith(ENV_PREFIX) or name == "MANAGEMENT_TOKEN":
            monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> File:
    """Return a function that writes the settings file that the environment names."""

    def write(content: object) -> None:
        path = tmp_path / "settings.yaml"
        data = content if isinstance(content, bytes) else yaml.safe_dump(content).encode()
        path.write_bytes(data)
        monkeypatch.setenv("TOLLKEEPER_SETTINGS", str(path))

    return write


def _refused(options: dict[str, Any] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(options or {})
    shown = "".join(traceback.format_exception(caught.value, limit=0))
    assert "canary" not in shown
    return str(caught.value)


def test_every_field_is_tested() -> None:
    assert set(FIELDS) == set(Settings.model_fields)


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_comes_from_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text, expected = FIELDS[name]
    for other, value in ({name: text} | COMPANIONS.get(name, {})).items():
        monkeypatch.setenv(f"{ENV_PREFIX}{other.upper()}", value)

    assert getattr(load_settings({}), name) == expected


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_comes_from_the_file(name: str, file: File) -> None:
    text, expected = FIELDS[name]
    file({name: text} | COMPANIONS.get(name, {}))

    assert getattr(load_settings({}), name) == expected


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_comes_from_an_option(name: str) -> None:
    text, expected = FIELDS[name]

    assert getattr(load_settings({name: text} | COMPANIONS.get(name, {})), name) == expected


@pytest.mark.parametrize(
    ("name", "values"),
    [("redis", ["redis://a", "redis://b", "redis://c"]), ("management_token", [TOKEN, OTHER, TOKEN + OTHER])],
)
def test_options_go_before_the_environment_and_that_before_the_file(
    name: str, values: list[str], file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    def value(options: dict[str, str]) -> str:
        found = getattr(load_settings(options), name)
        return found.get_secret_value() if isinstance(found, SecretStr) else str(found)

    file({name: values[0]})
    assert value({}) == values[0]
    monkeypatch.setenv(f"{ENV_PREFIX}{name.upper()}", values[1])
    assert value({}) == values[1]
    assert value({name: values[2]}) == values[2]


def test_the_management_token_has_a_short_name_too(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    def token() -> str:
        found = load_settings({}).management_token
        assert found is not None
        return found.get_secret_value()

    file({"management_token": "the-management-token-of-the-file"})
    monkeypatch.setenv("MANAGEMENT_TOKEN", OTHER)
    assert token() == OTHER
    monkeypatch.setenv("TOLLKEEPER_MANAGEMENT_TOKEN", TOKEN)
    assert token() == TOKEN


@pytest.mark.parametrize("name", ["management_token", "encryption_key"])
def test_an_empty_secret_is_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}{name.upper()}", "")

    assert getattr(load_settings({}), name) is None


def test_without_anything_there_are_defaults_on_this_machine_alone() -> None:
    settings = load_settings({})

    for address in (settings.data_address, settings.console_address, settings.grpc_address):
        assert address.startswith("127.0.0.1:")
    assert (settings.store, settings.redis, settings.management_token) == ("sqlite", "", None)
    assert not settings.uses_tls


@pytest.mark.parametrize(
    ("options", "uses"),
    [({}, False), ({"tls": "self-signed"}, True), ({"tls_cert": "c", "tls_key": "k"}, True)],
)
def test_tls_is_used_if_there_is_a_certificate(options: dict[str, str], uses: bool) -> None:
    assert load_settings(options).uses_tls is uses


def test_settings_do_not_change_and_hide_their_secrets() -> None:
    settings = load_settings({"management_token": "canary-canary-canary", "encryption_key": "canary"})

    with pytest.raises(ValueError, match="frozen"):
        settings.demo = True
    assert "canary" not in repr(settings)
    assert "canary" not in str(settings.model_dump())


@pytest.mark.parametrize("name", ["TOLLKEEPER_STOER", "TOLLKEEPER_CANARY", "TOLLKEEPER_DATA"])
def test_an_unknown_name_in_the_environment_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "canary")

    assert name in _refused()


def test_names_for_the_tests_are_not_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLKEEPER_TEST_MONGO_URL", "mongodb://x")

    load_settings({})


def test_an_unknown_name_in_the_file_is_refused(file: File) -> None:
    file({"stoer": "canary"})

    assert "stoer" in _refused()


def test_an_unknown_option_is_refused() -> None:
    assert "stoer" in _refused({"stoer": "canary"})


BAD: list[tuple[str, object]] = [
    ("store", "canary://user:canary@db"),
    ("store", "sqlite://canary"),
    ("redis", "http://user:canary@cache"),
    ("management_token", "canary"),
    ("management_token", ["canary"]),
    ("encryption_key", {"canary": 1}),
    ("data_address", "canary"),
    ("data_address", "canary:"),
    ("data_address", "127.0.0.1:65536"),
    ("data_address", "127.0.0.1:-1"),
    ("console_address", 8080),
    ("tls", "canary"),
    ("max_body_bytes", "canary"),
    ("max_body_bytes", 1023),
    ("max_body_bytes", 5 * 1024**3),
    ("poll_seconds", 0),
    ("poll_seconds", -1),
    ("poll_seconds", "nan"),
    ("poll_seconds", "inf"),
    ("poll_seconds", "canary"),
    ("log_level", "canary"),
    ("log_format", "canary"),
    ("demo", "canary"),
    ("data_dir", ["canary"]),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_told_by_its_name_and_not_shown(name: str, value: object, file: File) -> None:
    assert name in _refused({name: value}).lower()
    file({name: value})
    assert name in _refused().lower()


def test_a_bad_value_in_the_environment_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in BAD:
        if isinstance(value, str):
            with monkeypatch.context() as patch:
                patch.setenv(f"{ENV_PREFIX}{name.upper()}", value)
                assert name in _refused().lower()


def test_every_problem_is_told_at_once() -> None:
    problem = _refused({"store": "canary", "log_level": "canary"})

    assert "store: expected" in problem
    assert "log_level: expected" in problem


@pytest.mark.parametrize(
    "options", [{"tls_cert": "c"}, {"tls_key": "k"}, {"tls": "self-signed", "tls_cert": "c", "tls_key": "k"}]
)
def test_a_certificate_is_given_in_one_way(options: dict[str, str]) -> None:
    assert "tls_cert" in _refused(options)


@pytest.mark.parametrize("name", ["data_tls", "grpc_tls"])
def test_tls_wants_a_certificate(name: str) -> None:
    assert f"{name} needs a certificate" in _refused({name: "true"})


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"prune": "true"}, "prune needs config"),
        ({"prune": "true", "config": "f.yaml", "demo": "true"}, "what demo sets up"),
    ],
)
def test_pruning_wants_a_file_and_no_demo(options: dict[str, str], why: str) -> None:
    assert why in _refused(options)


@pytest.mark.parametrize(
    "content",
    [
        b"management_token: 'canary",
        b"management_token: canary\n  x: [canary",
        b"\x00\x01\x02canary",
        b"\xff\xfe\xfacanary",
        b"\x89PNG\r\n\x1a\n",
        b"- canary\n",
        b"canary",
        b"1: canary",
        b"? [a]\n: canary",
        b"store: !!python/object/apply:os.system [canary]",
        b"store: *canary",
        b"when: 2024-99-99",
        b"number: " + b"1" * 5000,
        b"[" * 20_000,
        b"a: {" * 20_000,
        b"a: &a [*a]",
    ],
)
def test_a_corrupt_file_is_refused_without_being_shown(content: bytes, file: File) -> None:
    file(content)

    _refused()


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"---\n"])
def test_an_empty_file_sets_nothing(content: bytes, file: File) -> None:
    file(content)

    assert load_settings({}) == load_settings({})
    assert load_settings({}).store == "sqlite"


def test_a_file_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        monkeypatch.setenv("TOLLKEEPER_SETTINGS", str(path))
        assert str(path) in _refused()


def test_a_problem_in_a_file_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("store: sqlite\nredis: [canary\n")

    with pytest.raises(SettingsError, match="line 3"):
        read_settings_file(path)
