"""The data plane's ports follow the snapshot."""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tollkeeper_server.dataplane.caller import Message, Receive, Send
from tollkeeper_server.domain.address import SocketAddress
from tollkeeper_server.doors.listeners import Listeners
from tollkeeper_server.doors.sockets import bind_address, name_of
from tollkeeper_server.doors.tls import ServedCertificate
from tollkeeper_server.process.certificate import load_certificate
from tollkeeper_server.settings import Settings, Tls
from tollkeeper_server.snapshot.model import ListenerView, Snapshot
from tollkeeper_server.snapshot.rules import compile_rules

from tests.servers.ports import free_port
from tests.unit.http1.server.served import whole

PATIENCE_SECONDS = 20.0
ANY = SocketAddress("127.0.0.1", 0)


async def name_listener(scope: Message, receive: Receive, send: Send) -> None:
    """Answer with the listener's name, and where the caller is."""
    await whole(send, f"{scope['tollkeeper.listener']} {scope['client'][0]}".encode())


def snapshot(*, tls: bool = False, **addresses: str) -> Snapshot:
    """Return the configuration with these listeners, which speak TLS or not."""
    views = {
        name: ListenerView(
            name=name,
            address=address,
            rules=compile_rules(()),
            default_group="",
            ip_limit=None,
            head_timeout=10.0,
            tls=tls,
        )
        for name, address in addresses.items()
    }
    return Snapshot(revision=1, projects={}, routes={}, patterns=(), default=None, listeners=views)


@asynccontextmanager
async def serving(
    *inherited: socket.socket, certificate: ServedCertificate | None = None, own_tls: bool = False
) -> AsyncIterator[tuple[Listeners, str]]:
    """Ports that follow nothing yet, and the address of the gateway's own."""
    own = bind_address(ANY)
    listeners = Listeners(
        name_listener,
        own,
        drain_seconds=PATIENCE_SECONDS,
        inherited=inherited,
        certificate=certificate,
        own_tls=own_tls,
    )
    listeners.follow(snapshot())
    task = asyncio.create_task(listeners.serve())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield listeners, name_of(own)
    finally:
        listeners.stop()
        await task
        listeners.close()


async def asked(address: str) -> str:
    """Ask what listens at an address; "refused" if nothing does."""
    host, _, port = address.rpartition(":")
    try:
        reader, writer = await asyncio.open_connection(host, int(port))
    except ConnectionRefusedError:
        return "refused"
    writer.write(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.rpartition(b"\r\n\r\n")[2].decode()


async def until_asked(address: str, expected: str) -> None:
    """Wait until that is what listens at an address."""
    while await asked(address) != expected:  # noqa: ASYNC110 - nothing tells of a port that is open
        await asyncio.sleep(0.01)


async def test_ports_come_and_go_with_the_snapshot() -> None:
    one, two = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    async with serving() as (listeners, own):
        assert await asked(own) == "main 127.0.0.1"
        listeners.follow(snapshot(a=one, b=two))
        assert [await asked(address) for address in (own, one, two)] == [
            "main 127.0.0.1",
            "a 127.0.0.1",
            "b 127.0.0.1",
        ]
        listeners.follow(snapshot(b=two))
        await until_asked(one, "refused")
        assert await asked(two) == "b 127.0.0.1"
        listeners.follow(snapshot(renamed=two))
        assert await asked(two) == "renamed 127.0.0.1"
        assert listeners.problems == {}


async def test_a_listener_with_the_gateway_s_own_address_serves_it() -> None:
    async with serving() as (listeners, own):
        listeners.follow(snapshot(tenant=own))
        assert await asked(own) == "tenant 127.0.0.1"
        listeners.follow(snapshot())
        assert await asked(own) == "main 127.0.0.1"


async def test_a_port_in_use_disturbs_no_other_and_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    other = bind_address(ANY)
    taken, free = name_of(other), f"127.0.0.1:{free_port()}"
    caplog.set_level(logging.INFO)
    async with serving() as (listeners, own):
        listeners.follow(snapshot(a=taken, b=free))
        assert "Address already in use" in listeners.problems["a"]
        assert await asked(free) == "b 127.0.0.1"
        assert await asked(own) == "main 127.0.0.1"
        other.close()
        await until_asked(taken, "a 127.0.0.1")
        assert listeners.problems == {}
        assert caplog.text.count("the listener a is not open") == 1


async def test_of_two_listeners_at_one_address_the_first_by_name_is_served() -> None:
    address = f"127.0.0.1:{free_port()}"
    async with serving() as (listeners, _):
        listeners.follow(snapshot(b=address, a=address.replace("127.0.0.1", "localhost")))
        assert await asked(address) == "a 127.0.0.1"
        assert set(listeners.problems) == {"b"}
        assert "is the listener a's" in listeners.problems["b"]


async def test_a_port_moves_from_one_interface_to_all(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    async with serving() as (listeners, _):
        listeners.follow(snapshot(a=f"127.0.0.1:{port}"))
        assert await asked(f"127.0.0.1:{port}") == "a 127.0.0.1"
        listeners.follow(snapshot(a=f":{port}"))
        await until_asked(f"127.0.0.2:{port}", "a 127.0.0.1")
        assert listeners.problems == {}
    assert "is not open" not in caplog.text  # what the listener itself gave up was in its way


@pytest.mark.parametrize("address", ["example.test:80", "127.0.0.1:65536", "127.0.0.1", "256.0.0.1:80", ":x"])
async def test_what_is_not_an_address_is_a_problem(address: str) -> None:
    async with serving() as (listeners, own):
        listeners.follow(snapshot(a=address))
        assert "is not an address to listen on" in listeners.problems["a"]
        assert "is not an address" in (listeners.check(address) or "")
        assert await asked(own) == "main 127.0.0.1"


async def test_a_check_tells_what_can_be_listened_on() -> None:
    with bind_address(ANY) as other:
        async with serving() as (listeners, own):
            assert "Address already in use" in (listeners.check(name_of(other)) or "")
            free = f"127.0.0.1:{free_port()}"
            assert listeners.check(free) is None
            assert listeners.check(own) is None
            assert await asked(free) == "refused"


async def test_inherited_ports_are_gone_on_with_and_others_closed() -> None:
    kept, dropped = bind_address(ANY), bind_address(ANY)
    own = bind_address(ANY)
    listeners = Listeners(name_listener, own, drain_seconds=1.0, inherited=(kept, dropped))
    address, gone = name_of(kept), name_of(dropped)
    listeners.follow(snapshot(a=address))
    assert listeners.sockets() == [own, kept]
    task = asyncio.create_task(listeners.serve())
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await asked(address) == "a 127.0.0.1"
        assert await asked(gone) == "refused"
    listeners.stop()
    await task
    listeners.close()


async def test_a_shared_port_is_left_to_the_other_process() -> None:
    own = bind_address(ANY)
    copy = own.dup()
    listeners = Listeners(name_listener, own, drain_seconds=PATIENCE_SECONDS)
    listeners.follow(snapshot())
    task = asyncio.create_task(listeners.serve())
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await asked(name_of(copy)) == "main 127.0.0.1"
        listeners.stop(shared=True)
        await task
        loop = asyncio.get_running_loop()
        with copy, socket.create_connection(copy.getsockname()):
            accepted, _ = await loop.sock_accept(copy)
            accepted.close()
    listeners.close()


async def test_a_listener_on_every_interface_takes_the_place_of_the_own_port(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as (listeners, own):
        every = f"0.0.0.0:{own.rpartition(':')[2]}"
        assert listeners.check(every) is None

        listeners.follow(snapshot(everywhere=every))
        await until_asked(own, "everywhere 127.0.0.1")
        assert listeners.problems == {}

        listeners.follow(snapshot())
        await until_asked(own, "main 127.0.0.1")
    assert "is not open" not in caplog.text


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ServedCertificate:
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), tls=Tls.SELF_SIGNED)
    return ServedCertificate(load_certificate(settings)[1])


async def asked_over_tls(address: str, certificate: ServedCertificate) -> str:
    """Ask what listens at an address over TLS."""
    host, _, port = address.rpartition(":")
    context = ssl.create_default_context(cadata=certificate.current.chain.decode())
    reader, writer = await asyncio.open_connection(host, int(port), ssl=context, server_hostname="localhost")
    writer.write(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer.rpartition(b"\r\n\r\n")[2].decode()


async def test_a_listener_speaks_tls_from_when_it_is_told_to_until_it_is_not(
    certificate: ServedCertificate,
) -> None:
    address = f"127.0.0.1:{free_port()}"
    async with serving(certificate=certificate) as (listeners, own):
        for _ in range(2):
            listeners.follow(snapshot(a=address))
            assert await asked(address) == "a 127.0.0.1"
            kept, writer = await asyncio.open_connection(*address.split(":"))
            listeners.follow(snapshot(a=address, tls=True))
            assert await asked_over_tls(address, certificate) == "a 127.0.0.1"
            assert "use https://" in await asked(address)
            writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")  # what was open ends with its next answer
            assert b"connection: close" in await kept.read()
            writer.close()
        assert await asked(own) == "main 127.0.0.1"
    assert listeners.problem is None


async def test_the_gateways_own_port_speaks_tls_whichever_listener_has_it(
    certificate: ServedCertificate,
) -> None:
    async with serving(certificate=certificate, own_tls=True) as (listeners, own):
        assert await asked_over_tls(own, certificate) == "main 127.0.0.1"
        listeners.follow(snapshot(a=own))
        assert await asked_over_tls(own, certificate) == "a 127.0.0.1"
        listeners.follow(snapshot(a=own, tls=True))
        assert await asked_over_tls(own, certificate) == "a 127.0.0.1"


async def test_without_a_certificate_a_listener_that_speaks_tls_is_not_open() -> None:
    address = f"127.0.0.1:{free_port()}"
    async with serving() as (listeners, _):
        listeners.follow(snapshot(a=address))
        assert await asked(address) == "a 127.0.0.1"
        listeners.follow(snapshot(a=address, tls=True))
        await until_asked(address, "refused")
        assert "no certificate" in (listeners.problem or "")
        listeners.follow(snapshot(a=address))
        await until_asked(address, "a 127.0.0.1")
        assert listeners.problem is None


async def test_every_port_is_told_of_and_why_it_is_not_open() -> None:
    taken, free = bind_address(ANY), bind_address(ANY)
    free_address = name_of(free)
    free.close()
    try:
        async with serving() as (listeners, own):
            listeners.follow(snapshot(blocked=name_of(taken), open=free_address))
            await until_asked(free_address, "open 127.0.0.1")
            told = {it.name: it for it in listeners.ports()}

            assert list(told) == ["blocked", "main", "open"]
            assert (told["main"].address, told["open"].address) == (own, free_address)
            assert [it.problem is None for it in told.values()] == [False, True, True]
            assert "stop the process that has it" in (told["blocked"].problem or "")
    finally:
        taken.close()
