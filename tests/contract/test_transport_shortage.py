"""What this machine lacks is told apart from what an upstream does."""

import errno
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from tollkeeper_server.dataplane.transport import ConnectError, LocalShortageError
from tollkeeper_server.domain.shortage import Shortage
from tollkeeper_server.http1 import descriptors
from tollkeeper_server.http1.client.transport import Http1Transport
from tollkeeper_server.snapshot.model import Dial

from tests.contract.peers import OK, Peer, keeps_answering, listening, read_all, request_to


@pytest.fixture
async def transport() -> AsyncIterator[Http1Transport]:
    """A transport without limits."""
    made = Http1Transport()
    yield made
    await made.close()


def fail_connecting(monkeypatch: pytest.MonkeyPatch, number: int, *kinds: socket.SocketKind) -> None:
    """Have the system refuse to connect sockets of some kinds."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.type in kinds:
            raise OSError(number, os.strerror(number))
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect, raising=False)


async def fails(transport: Http1Transport, peer: Peer, **options: Any) -> ConnectError:
    """Return the error of a request that no connection can be had for."""
    with pytest.raises(ConnectError) as failed:
        await transport.open(request_to(peer, **options))
    return failed.value


@pytest.mark.parametrize(
    ("number", "shortage"),
    [
        (errno.EADDRNOTAVAIL, Shortage.PORTS),
        (errno.ENOBUFS, Shortage.MEMORY),
        (errno.ENOMEM, Shortage.MEMORY),
        (errno.EMFILE, Shortage.DESCRIPTORS),
        (errno.ENFILE, Shortage.DESCRIPTORS),
    ],
)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_shortage_is_this_machines_and_passes(
    transport: Http1Transport, monkeypatch: pytest.MonkeyPatch, number: int, shortage: Shortage, host: str
) -> None:
    async with listening(keeps_answering(OK)) as peer:
        with monkeypatch.context() as patched:
            fail_connecting(patched, number, socket.SOCK_STREAM)
            failed = await fails(transport, replace(peer, base=f"http://{host}:{peer.port}"))
            assert isinstance(failed, LocalShortageError)
            assert failed.shortage is shortage
        assert await read_all(await transport.open(request_to(peer))) == b"ok"


async def test_a_shortage_on_the_way_to_a_proxy_is_one(
    transport: Http1Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(keeps_answering(OK)) as peer:
        fail_connecting(monkeypatch, errno.ENOBUFS, socket.SOCK_STREAM)
        dial = Dial(proxy=peer.base)
        assert isinstance(await fails(transport, peer, dial=dial), LocalShortageError)


async def test_a_network_that_this_machine_is_not_on_is_no_shortage(
    transport: Http1Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(keeps_answering(OK)) as peer:
        fail_connecting(monkeypatch, errno.EADDRNOTAVAIL, socket.SOCK_STREAM, socket.SOCK_DGRAM)
        assert not isinstance(await fails(transport, peer), LocalShortageError)


async def test_an_upstream_that_refuses_is_no_shortage(transport: Http1Transport) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        peer = Peer(base=f"http://127.0.0.1:{unused.getsockname()[1]}")
        assert not isinstance(await fails(transport, peer), LocalShortageError)


async def test_the_last_descriptors_are_not_for_upstreams(
    transport: Http1Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(keeps_answering(OK)) as peer:
        with monkeypatch.context() as patched:
            patched.setattr(descriptors, "_limit", lambda: 16)
            failed = await fails(transport, peer)
            assert isinstance(failed, LocalShortageError)
            assert failed.shortage is Shortage.DESCRIPTORS
        assert await read_all(await transport.open(request_to(peer))) == b"ok"
