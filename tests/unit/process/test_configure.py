"""A configuration file is read whole or refused, naming it and never showing a value."""

from pathlib import Path

import pytest
from tollkeeper_server.process.configure import ConfigurationFile, Configurator, read_file
from tollkeeper_server.process.errors import RunError
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.unit.management.plane import MANAGEMENT_TOKEN, Plane


def test_a_file_is_read_with_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tollkeeper.yaml"
    file.write_bytes("\ufeffupstreams: [{name: é, api_key: '${KEY_OF_TEST}'}]".encode())
    monkeypatch.setenv("KEY_OF_TEST", "canary")

    (upstream,) = read_file(file).configuration.upstreams

    assert (upstream.name, upstream.api_key) == ("é", "canary")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xff", "not UTF-8 at byte 0"),
        (b"#" * 10_000_001, "more than 10,000,000 bytes"),
        (
            b"upstreams: [{api_key: '${KEY_OF_TEST}'}, {api_key: [canary]}]",
            "upstreams[1].api_key (line 1): must be one",
        ),
        (b"upstreams: [{api_key: '${KEY_OF_TEST}'}]", "the environment has no KEY_OF_TEST"),
        (None, "No such file"),
    ],
)
def test_a_file_that_can_not_be_used_is_named(tmp_path: Path, content: bytes | None, problem: str) -> None:
    file = tmp_path / "tollkeeper.yaml"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(RunError) as raised:
        read_file(file)

    assert str(raised.value).startswith(f"configuration file {file}: ")
    assert problem in str(raised.value)
    assert "canary" not in str(raised.value)


async def test_a_file_that_is_not_applied_as_it_is_has_a_problem(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    path = tmp_path / "tollkeeper.yaml"
    path.write_text("upstreams: [{name: a, provider: openai}]")
    file = ConfigurationFile(path, Configurator(Plane(store).chain(), MANAGEMENT_TOKEN))

    await file.apply()
    assert await file.problem() is None

    path.write_text("upstreams: [{name: a, provider: nobody's}]")
    assert await file.problem() == f"configuration file {path}: it has changed since it was applied"
    with pytest.raises(RunError) as raised:
        await file.apply()
    assert await file.problem() == str(raised.value)

    path.write_text("upstreams: [{name: b, provider: openai}]")
    await file.apply()
    assert await file.problem() is None
    await store.close()
