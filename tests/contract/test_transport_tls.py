"""What the transport on httptools promises of TLS, names and addresses."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tollkeeper_server.dataplane.http1.transport import Http1Transport
from tollkeeper_server.dataplane.transport import ConnectError, CutError

from tests.contract.certificates import Authority
from tests.contract.peers import (
    CHUNKED,
    OK,
    Peer,
    Reader,
    Writer,
    answers,
    hangs_after_headers,
    keeps_answering,
    listening,
    read_all,
    request_to,
)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority that only the transport below trusts."""
    return Authority(tmp_path)


@pytest.fixture
async def trusting(authority: Authority) -> AsyncIterator[Http1Transport]:
    """A transport that trusts `authority`."""
    transport = Http1Transport(ca_file=authority.ca_file)
    yield transport
    await transport.close()


@pytest.fixture
async def plain() -> AsyncIterator[Http1Transport]:
    """A transport that trusts whom the system trusts."""
    transport = Http1Transport()
    yield transport
    await transport.close()


async def test_a_trusted_upstream_is_told_the_name_and_kept(
    authority: Authority, trusting: Http1Transport
) -> None:
    asked: list[str | None] = []
    context = authority.server("localhost")
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    async with listening(keeps_answering(OK, OK), tls=context) as peer:
        peer.base = f"https://localhost:{peer.port}"
        assert await read_all(await trusting.open(request_to(peer))) == b"ok"
        assert await read_all(await trusting.open(request_to(peer))) == b"ok"

    assert (asked, peer.connections) == (["localhost"], 1)
    assert f"host: localhost:{peer.port}\r\n".encode() in peer.requests[0]


async def test_an_upstream_that_nobody_vouches_for_is_refused(
    authority: Authority, plain: Http1Transport
) -> None:
    async with listening(answers(OK), tls=authority.server("127.0.0.1")) as peer:
        with pytest.raises(ConnectError, match="TLS certificate"):
            await plain.open(request_to(peer))

    assert peer.requests == []


async def test_a_certificate_for_another_name_is_refused(
    authority: Authority, trusting: Http1Transport
) -> None:
    async with listening(answers(OK), tls=authority.server("localhost")) as peer:
        with pytest.raises(ConnectError, match="TLS certificate"):
            await trusting.open(request_to(peer))

    assert peer.requests == []


async def test_a_server_without_tls_is_no_upstream_with_it(trusting: Http1Transport) -> None:
    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await reader.read(1)
        writer.write(OK)

    async with listening(handler) as peer:
        peer.base = peer.base.replace("http:", "https:")
        with pytest.raises(ConnectError):
            await trusting.open(request_to(peer))


async def test_a_secured_stream_that_breaks_off_is_cut(
    authority: Authority, trusting: Http1Transport
) -> None:
    async with listening(answers(CHUNKED + b"2\r\nok\r\n"), tls=authority.server("127.0.0.1")) as peer:
        with pytest.raises(CutError):
            await read_all(await trusting.open(request_to(peer)))


async def test_a_large_secured_body_passes_both_ways(authority: Authority, trusting: Http1Transport) -> None:
    size = 1 << 20
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"a" * size
    async with listening(answers(answer), tls=authority.server("127.0.0.1")) as peer:
        incoming = await trusting.open(request_to(peer, body=b"b" * size))
        assert len(await read_all(incoming)) == size

    assert peer.requests[0].endswith(b"\r\n\r\n" + b"b" * size)


async def test_letting_go_of_a_secured_stream_closes_the_connection(
    authority: Authority, trusting: Http1Transport
) -> None:
    async with listening(hangs_after_headers, tls=authority.server("127.0.0.1")) as peer:
        incoming = await trusting.open(request_to(peer))
        assert await anext(incoming.chunks()) == b"ok"
        incoming.close()
        await peer.left.wait()


async def _says_nothing(peer: Peer, reader: Reader, writer: Writer) -> None:
    peer.go.set()
    await peer.wait_for_eof(reader)


async def test_cancelling_a_handshake_closes_the_connection(trusting: Http1Transport) -> None:
    async with listening(_says_nothing) as peer:
        peer.base = peer.base.replace("http:", "https:")
        opening = asyncio.ensure_future(trusting.open(request_to(peer)))
        await peer.go.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await peer.left.wait()


async def test_a_handshake_that_hangs_times_out(trusting: Http1Transport) -> None:
    async with listening(_says_nothing) as peer:
        peer.base = peer.base.replace("http:", "https:")
        with pytest.raises(ConnectError, match="in time"):
            await trusting.open(request_to(peer, connect=0.1))
        await peer.left.wait()


async def test_trust_that_can_not_be_read_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        Http1Transport(ca_file=tmp_path / "missing.pem")
    (tmp_path / "empty.pem").touch()
    with pytest.raises(ssl.SSLError):
        Http1Transport(ca_file=tmp_path / "empty.pem")


async def test_an_address_of_the_sixth_version_is_understood(plain: Http1Transport) -> None:
    async with listening(answers(OK), host="::1") as peer:
        assert await read_all(await plain.open(request_to(peer))) == b"ok"

    assert f"host: [::1]:{peer.port}\r\n".encode() in peer.requests[0]


async def test_another_address_is_tried_if_the_first_is_deaf(
    plain: Http1Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(answers(OK)) as peer:
        resolve = asyncio.get_running_loop().getaddrinfo

        async def both(host: str, port: int, **wanted: int) -> list[tuple[object, ...]]:
            if host != "two.invalid":  # a loop may ask again for an address it was given
                return list(await resolve(host, port, **wanted))
            return [
                *await resolve("::1", port, type=socket.SOCK_STREAM),
                *await resolve("127.0.0.1", port, type=socket.SOCK_STREAM),
            ]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", both)
        peer.base = f"http://two.invalid:{peer.port}"
        assert await read_all(await plain.open(request_to(peer))) == b"ok"


async def test_a_name_that_does_not_resolve_is_told(
    plain: Http1Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_args: object, **_kwargs: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "canary")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fails)
    with pytest.raises(ConnectError, match="does not resolve") as caught:
        await plain.open(request_to(Peer(base="http://unknown.invalid")))
    assert "canary" not in str(caught.value)
