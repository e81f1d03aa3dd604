"""A server is built in steps that are undone in order, whether it has served or a step has failed."""

import asyncio
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tollkeeper_server.doors.sockets import ListenError, bind, name_of
from tollkeeper_server.process.app import build
from tollkeeper_server.process.errors import RunError
from tollkeeper_server.settings import Settings, load_settings
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.servers.ports import free_port

MANAGEMENT_TOKEN = "a-management-token-of-some-length"
NAMES = ("data_address", "console_address", "grpc_address")


def settings_in(folder: Path, **changed: str) -> Settings:
    """Return the settings of a server whose data is in a folder, on ports of the test's own."""
    addresses = {name: f"127.0.0.1:{free_port()}" for name in NAMES}
    return load_settings({"data_dir": folder / "data"} | addresses | changed)


async def assert_undone(settings: Settings) -> None:
    """Hold a server to have left nothing: no task, no port, no lock on its data."""
    assert asyncio.all_tasks() == {asyncio.current_task()}
    for name in NAMES:
        bind(getattr(settings, name), name, name).close()
    store = SqliteStore(settings.data_dir / "tollkeeper.db")
    await store.open()
    await store.close()
    assert [path for path in (settings.data_dir / "journal").iterdir() if path.is_dir()] == []


async def test_a_step_that_fails_undoes_those_before_it(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, config=str(tmp_path / "missing.yaml"))
    async with AsyncExitStack() as stack:
        with pytest.raises(RunError, match=r"missing\.yaml"):
            await build(stack, settings, MANAGEMENT_TOKEN)
    await assert_undone(settings)


@pytest.mark.parametrize("name", NAMES)
async def test_a_port_that_is_taken_is_told_plainly(tmp_path: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings = settings_in(tmp_path, **{name: name_of(other)})
        said = rf"{name_of(other)}: .*in use.*TOLLKEEPER_{name.upper()}"
        async with AsyncExitStack() as stack:
            with pytest.raises(ListenError, match=said):
                await build(stack, settings, MANAGEMENT_TOKEN)


async def test_a_server_that_was_stopped_leaves_nothing(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        running = await build(stack, settings, MANAGEMENT_TOKEN)
        serving = asyncio.create_task(running.serve(stop))
        _, writer = await asyncio.open_connection(*running.addresses.data.removeprefix("http://").split(":"))
        writer.close()
        await writer.wait_closed()
        assert not running.draining.is_set()
        stop.set()
        await serving
        assert running.draining.is_set()
    await assert_undone(settings)


async def test_a_file_that_is_wrong_is_logged_at_a_reload_and_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "tollkeeper.yaml"
    file.write_text("upstreams: [{name: one, provider: openai, api_key: sk-canary-1}]")
    async with AsyncExitStack() as stack:
        running = await build(stack, settings_in(tmp_path, config=str(file)), MANAGEMENT_TOKEN)
        file.write_text("upstreams: [{name: one, provider: nobody}]")
        await running.reload()
    assert "nothing was changed: configuration file" in caplog.text
    assert "canary" not in caplog.text
