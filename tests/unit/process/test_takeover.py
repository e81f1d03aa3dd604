"""Handing ports over: to a process of the same user, whole, and for good only once it is ready."""

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tollkeeper_server.domain.address import SocketAddress
from tollkeeper_server.doors.sockets import bind_address, name_of
from tollkeeper_server.process import takeover
from tollkeeper_server.process.takeover import Handover, Port, TakeoverError, Use, take_over
from tollkeeper_server.process.unix_socket import Peer, peer_of

PATIENCE_SECONDS = 20.0
ANY = SocketAddress("127.0.0.1", 0)


@asynccontextmanager
async def offered(directory: Path, listeners: int = 0) -> AsyncIterator[tuple[Handover, list[str]]]:
    """A process that offers ports, and their addresses: the data plane's, the console's, and others."""
    bound = [bind_address(ANY) for _ in range(2 + listeners)]
    uses = [Port(Use.DATA, "127.0.0.1:0"), Port(Use.CONSOLE, ":8080"), *[Port(Use.LISTENER)] * listeners]
    handover = Handover(directory, lambda: list(zip(uses, bound, strict=True)))
    handover.start(None)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield handover, [name_of(one) for one in bound]
    finally:
        await handover.close()
        for one in bound:
            one.close()


async def test_who_is_ready_has_every_port(tmp_path: Path) -> None:
    async with offered(tmp_path, listeners=250) as (handover, names):
        inherited = await asyncio.to_thread(take_over, tmp_path)
        assert inherited
        data, console = inherited.take(Use.DATA, "127.0.0.1:0"), inherited.take(Use.CONSOLE, names[1])
        assert data
        assert console
        listeners = inherited.take_listeners()
        assert [name_of(one) for one in (data, console, *listeners)] == names
        assert inherited.take(Use.DATA, "127.0.0.1:0") is None
        assert not any(os.get_inheritable(one.fileno()) for one in (data, console, *listeners))
        with socket.create_connection(data.getsockname()):
            data.accept()[0].close()
        assert not handover.taken_over.is_set()
        inherited.confirm()
        await handover.taken_over.wait()
        for one in (data, console, *listeners):
            one.close()
        inherited.close()


async def test_who_is_not_ready_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with offered(tmp_path) as (handover, _):
        for _ in range(3):
            inherited = await asyncio.to_thread(take_over, tmp_path)
            assert inherited
            inherited.close()
        last = await asyncio.to_thread(take_over, tmp_path)
        assert last
        assert not handover.taken_over.is_set()
        assert "ended before it was ready" in caplog.text
        last.close()


async def test_the_successor_can_be_taken_over_at_the_same_place(tmp_path: Path) -> None:
    async with offered(tmp_path) as (first, _):
        bound = bind_address(ANY)
        inherited = await asyncio.to_thread(take_over, tmp_path)
        assert inherited
        waiting = asyncio.create_task(asyncio.to_thread(take_over, tmp_path))
        second = Handover(tmp_path, lambda: [(Port(Use.GRPC, "second"), bound)])
        inherited.confirm()
        await first.taken_over.wait()
        await first.close()
        second.start(inherited.take(Use.TAKEOVER))
        inherited.close()
        third = await waiting
        assert third
        offered_by_second = third.take(Use.GRPC, "second")
        assert offered_by_second
        offered_by_second.close()
        third.close()
        await second.close()
        bound.close()


async def test_a_process_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with offered(tmp_path) as (handover, _):
        monkeypatch.setattr(takeover, "peer_of", lambda _: Peer(os.getpid(), os.geteuid() + 1))
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
            other.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(other, str(tmp_path / takeover.SOCKET_FILE))
            assert await loop.sock_recv(other, 1000) == b""
        assert "of another user" in caplog.text
        assert not handover.taken_over.is_set()
        with pytest.raises(TakeoverError, match="belongs to a process of another user"):
            await asyncio.to_thread(take_over, tmp_path)


async def test_the_first_process_of_a_container_hands_nothing_to_a_process_that_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 1)
    async with offered(tmp_path) as (handover, _):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
            other.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(other, str(tmp_path / takeover.SOCKET_FILE))
            assert await loop.sock_recv(other, 1000) == b""
        assert "was refused: a container ends with its first process" in caplog.text
        monkeypatch.setattr(takeover, "peer_of", lambda _: Peer(1, os.geteuid()))
        with pytest.raises(TakeoverError, match="start another container"):
            await asyncio.to_thread(take_over, tmp_path)
        monkeypatch.setattr(takeover, "peer_of", lambda _: Peer(0, os.geteuid()))  # of another container
        inherited = await asyncio.to_thread(take_over, tmp_path)
        assert inherited
        inherited.confirm()
        await handover.taken_over.wait()
        inherited.close()


def test_the_kernel_says_who_is_at_the_other_end() -> None:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with one, other:
        assert peer_of(one) == (os.getpid(), os.geteuid())


async def test_only_the_user_may_connect(tmp_path: Path) -> None:
    async with offered(tmp_path):
        assert stat.S_IMODE((tmp_path / takeover.SOCKET_FILE).stat().st_mode) == 0o600


async def test_without_a_running_process_there_is_nothing_to_take(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert take_over(tmp_path) is None
    left = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    left.bind(str(tmp_path / takeover.SOCKET_FILE))
    left.close()
    assert take_over(tmp_path) is None
    async with offered(tmp_path):
        inherited = await asyncio.to_thread(take_over, tmp_path)
        assert inherited
        inherited.close()
        while "ended before it was ready" not in caplog.text:  # noqa: ASYNC110 - only the log tells
            await asyncio.sleep(0)
    assert not (tmp_path / takeover.SOCKET_FILE).exists()
    assert take_over(tmp_path) is None


async def test_a_long_path_is_no_hindrance(tmp_path: Path) -> None:
    directory = tmp_path / ("long" * 40)
    directory.mkdir()
    async with offered(directory):
        inherited = await asyncio.to_thread(take_over, directory)
        assert inherited
        inherited.close()


async def test_a_second_process_on_the_data_directory_leaves_the_first_its_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with offered(tmp_path) as (_, names):
        async with offered(tmp_path):
            assert "can't be taken over" in caplog.text
        inherited = await asyncio.to_thread(take_over, tmp_path)
        assert inherited
        data = inherited.take(Use.DATA, names[0])
        assert data
        data.close()
        inherited.close()
