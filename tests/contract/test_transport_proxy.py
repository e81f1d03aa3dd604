"""What the transport on httptools promises of ways through an outbound proxy."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tollkeeper_server.dataplane.transport import ConnectError
from tollkeeper_server.http1.client.transport import Http1Transport
from tollkeeper_server.snapshot.model import Dial

from tests.contract.certificates import Authority
from tests.contract.peers import (
    OK,
    Peer,
    Reader,
    Writer,
    hangs,
    hangs_after_headers,
    keeps_answering,
    listening,
    read_all,
    request_to,
    saying,
)

AGREED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@pytest.fixture
async def transport() -> AsyncIterator[Http1Transport]:
    """The transport that is held to its promises."""
    made = Http1Transport()
    yield made
    await made.close()


async def _pipe(reader: Reader, writer: Writer) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def _proxies(peer: Peer, reader: Reader, writer: Writer) -> None:
    asked = await peer.read(reader)
    host, _, port = asked.split()[1].decode().rpartition(":")
    onward, back = await asyncio.open_connection(host.strip("[]"), int(port))
    writer.write(AGREED)
    await asyncio.gather(_pipe(reader, back), _pipe(onward, writer))
    peer.left.set()


@pytest.mark.parametrize("upstream_secured", [False, True])
@pytest.mark.parametrize("proxy_secured", [False, True])
async def test_upstreams_are_reached_through_the_proxy(
    transport: Http1Transport, tmp_path: Path, proxy_secured: bool, upstream_secured: bool
) -> None:
    authority = Authority(tmp_path)
    context = authority.server("127.0.0.1")
    async with (
        listening(keeps_answering(OK, OK), tls=context if upstream_secured else None) as peer,
        listening(_proxies, tls=context if proxy_secured else None) as proxy,
    ):
        dial = Dial(ca_certificates=authority.pem, proxy=proxy.base)
        assert await read_all(await transport.open(request_to(peer, dial=dial))) == b"ok"
        assert await read_all(await transport.open(request_to(peer, dial=dial))) == b"ok"
        await transport.close()
        await proxy.left.wait()

    where = f"127.0.0.1:{peer.port}"
    assert proxy.requests == [f"CONNECT {where} HTTP/1.1\r\nhost: {where}\r\n\r\n".encode()]
    assert (proxy.connections, peer.connections) == (1, 1)


async def test_letting_go_closes_the_way_through_the_proxy(transport: Http1Transport) -> None:
    async with listening(hangs_after_headers) as peer, listening(_proxies) as proxy:
        dial = Dial(proxy=proxy.base)
        incoming = await transport.open(request_to(peer, dial=dial))
        assert await anext(incoming.chunks()) == b"ok"
        incoming.close()
        await peer.left.wait()
        await proxy.left.wait()


@pytest.mark.parametrize("proxy_secured", [False, True])
async def test_the_proxy_alone_gets_its_credentials(
    transport: Http1Transport, tmp_path: Path, proxy_secured: bool
) -> None:
    authority = Authority(tmp_path)
    context = authority.server("127.0.0.1") if proxy_secured else None
    async with listening(keeps_answering(OK)) as peer, listening(_proxies, tls=context) as proxy:
        url = proxy.base.replace("//", "//us%65r:p%40ss@")
        dial = Dial(ca_certificates=authority.pem, proxy=url)
        assert await read_all(await transport.open(request_to(peer, dial=dial))) == b"ok"

    assert b"\r\nproxy-authorization: Basic " + base64.b64encode(b"user:p@ss") + b"\r\n" in proxy.requests[0]
    assert b"proxy" not in peer.requests[0]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 407 X\r\nContent-Length: 0\r\n\r\n", "credentials"),
        (b"HTTP/1.0 503 X\r\n\r\n", "status 503"),
        (b"nonsense\r\n\r\n", "not a valid"),
        (AGREED + b"HTTP/1.1 200 OK\r\n\r\n", "not a valid"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000, "too large"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000, "too large"),
    ],
)
async def test_a_proxy_that_refuses_is_told(transport: Http1Transport, answer: bytes, told: str) -> None:
    async with listening(saying(answer)) as proxy:
        dial = Dial(proxy=proxy.base)
        with pytest.raises(ConnectError, match=told):
            await transport.open(request_to(Peer(base="https://127.0.0.1:9"), dial=dial))
        await proxy.left.wait()


async def test_a_proxy_that_leaves_is_told(transport: Http1Transport) -> None:
    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.read(reader)

    async with listening(handler) as proxy:
        dial = Dial(proxy=proxy.base)
        with pytest.raises(ConnectError, match="proxy closed"):
            await transport.open(request_to(Peer(base="https://127.0.0.1:9"), dial=dial))


@pytest.mark.parametrize(
    "agreed",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" + AGREED,
        b"HTTP/1.1 102 X\r\n\r\n" * 2000 + AGREED,
        b"HTTP/1.0 200 OK\nvia: x\n\n",
        b"HTTP/1.1 200\n\n",
    ],
    ids=["an interim answer before", "many of them", "line feeds alone", "no reason phrase"],
)
async def test_ways_in_which_a_proxy_may_agree(transport: Http1Transport, agreed: bytes) -> None:
    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.read(reader)
        writer.write(agreed)
        await peer.read(reader)
        writer.write(OK)

    async with listening(handler) as proxy:
        dial = Dial(proxy=proxy.base)
        assert (
            await read_all(await transport.open(request_to(Peer(base="http://127.0.0.1:9"), dial=dial)))
            == b"ok"
        )


async def test_a_proxy_that_hangs_times_out_and_is_left(transport: Http1Transport) -> None:
    async with listening(hangs) as proxy:
        dial = Dial(proxy=proxy.base)
        with pytest.raises(ConnectError, match="in time"):
            await transport.open(request_to(Peer(base="https://127.0.0.1:9"), dial=dial, connect=0.1))
        await proxy.left.wait()


async def test_cancelling_while_the_proxy_hangs_leaves_it(transport: Http1Transport) -> None:
    async with listening(hangs) as proxy:
        dial = Dial(proxy=proxy.base)
        opening = asyncio.ensure_future(
            transport.open(request_to(Peer(base="https://127.0.0.1:9"), dial=dial))
        )
        await proxy.go.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await proxy.left.wait()


async def test_a_handshake_that_fails_behind_the_proxy_is_told(
    transport: Http1Transport, tmp_path: Path
) -> None:
    context = Authority(tmp_path).server("127.0.0.1")
    async with listening(keeps_answering(OK), tls=context) as peer, listening(_proxies) as proxy:
        dial = Dial(proxy=proxy.base)
        with pytest.raises(ConnectError, match="TLS certificate"):
            await transport.open(request_to(peer, dial=dial))
        await proxy.left.wait()


@pytest.mark.parametrize(
    "url",
    ["nonsense", "socks5://127.0.0.1:1", "http://user:canary@", "http://h:canary", "http://u:canary\u2100@h"],
)
async def test_a_proxy_url_that_can_not_be_used_is_told_without_secrets(
    transport: Http1Transport, url: str
) -> None:
    with pytest.raises(ConnectError, match="proxy") as caught:
        await transport.open(request_to(Peer(base="http://127.0.0.1:9"), dial=Dial(proxy=url)))
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_one_upstream_has_a_proxy_and_the_other_none(transport: Http1Transport) -> None:
    async with (
        listening(keeps_answering(OK, OK)) as one,
        listening(keeps_answering(OK, OK)) as other,
        listening(_proxies) as proxy,
    ):
        dial = Dial(proxy=proxy.base)
        for _ in range(2):
            assert await read_all(await transport.open(request_to(one, dial=dial))) == b"ok"
            assert await read_all(await transport.open(request_to(other))) == b"ok"

    assert [request.split()[1] for request in proxy.requests] == [f"127.0.0.1:{one.port}".encode()]
    assert (one.connections, other.connections) == (1, 1)
