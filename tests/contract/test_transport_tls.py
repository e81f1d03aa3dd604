"""What the transport on httptools promises of TLS, names and addresses."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tollkeeper_server.dataplane.transport import NO_DIAL, ConnectError, CutError
from tollkeeper_server.http1.client.transport import Http1Transport
from tollkeeper_server.snapshot.model import Dial

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
    """An authority that only the dial below trusts."""
    return Authority(tmp_path)


@pytest.fixture
def trust(authority: Authority) -> Dial:
    """Trusts `authority`."""
    return Dial(ca_certificates=authority.pem, ca_only=True)


@pytest.fixture
async def transport() -> AsyncIterator[Http1Transport]:
    """The transport that is held to its promises."""
    transport = Http1Transport()
    yield transport
    await transport.close()


async def test_a_trusted_upstream_is_told_the_name_and_kept(
    authority: Authority, transport: Http1Transport, trust: Dial
) -> None:
    asked: list[str | None] = []
    context = authority.server("localhost")
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    async with listening(keeps_answering(OK, OK), tls=context) as peer:
        peer.base = f"https://localhost:{peer.port}"
        assert await read_all(await transport.open(request_to(peer, dial=trust))) == b"ok"
        assert await read_all(await transport.open(request_to(peer, dial=trust))) == b"ok"

    assert (asked, peer.connections) == (["localhost"], 1)
    assert f"host: localhost:{peer.port}\r\n".encode() in peer.requests[0]


async def test_an_upstream_that_nobody_vouches_for_is_refused(
    authority: Authority, transport: Http1Transport
) -> None:
    async with listening(answers(OK), tls=authority.server("127.0.0.1")) as peer:
        with pytest.raises(ConnectError, match="TLS certificate"):
            await transport.open(request_to(peer))

    assert peer.requests == []


async def test_a_certificate_for_another_name_is_refused(
    authority: Authority, transport: Http1Transport, trust: Dial
) -> None:
    async with listening(answers(OK), tls=authority.server("localhost")) as peer:
        with pytest.raises(ConnectError, match="TLS certificate"):
            await transport.open(request_to(peer, dial=trust))

    assert peer.requests == []


async def test_a_server_without_tls_is_no_upstream_with_it(transport: Http1Transport, trust: Dial) -> None:
    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await reader.read(1)
        writer.write(OK)

    async with listening(handler) as peer:
        peer.base = peer.base.replace("http:", "https:")
        with pytest.raises(ConnectError):
            await transport.open(request_to(peer, dial=trust))


async def test_a_secured_stream_that_breaks_off_is_cut(
    authority: Authority, transport: Http1Transport, trust: Dial
) -> None:
    async with listening(answers(CHUNKED + b"2\r\nok\r\n"), tls=authority.server("127.0.0.1")) as peer:
        with pytest.raises(CutError):
            await read_all(await transport.open(request_to(peer, dial=trust)))


async def test_a_large_secured_body_passes_both_ways(
    authority: Authority, transport: Http1Transport, trust: Dial
) -> None:
    size = 1 << 20
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"a" * size
    async with listening(answers(answer), tls=authority.server("127.0.0.1")) as peer:
        incoming = await transport.open(request_to(peer, body=b"b" * size, dial=trust))
        assert len(await read_all(incoming)) == size

    assert peer.requests[0].endswith(b"\r\n\r\n" + b"b" * size)


async def test_letting_go_of_a_secured_stream_closes_the_connection(
    authority: Authority, transport: Http1Transport, trust: Dial
) -> None:
    async with listening(hangs_after_headers, tls=authority.server("127.0.0.1")) as peer:
        incoming = await transport.open(request_to(peer, dial=trust))
        assert await anext(incoming.chunks()) == b"ok"
        incoming.close()
        await peer.left.wait()


async def _says_nothing(peer: Peer, reader: Reader, writer: Writer) -> None:
    peer.go.set()
    await peer.wait_for_eof(reader)


async def test_cancelling_a_handshake_closes_the_connection(transport: Http1Transport, trust: Dial) -> None:
    async with listening(_says_nothing) as peer:
        peer.base = peer.base.replace("http:", "https:")
        opening = asyncio.ensure_future(transport.open(request_to(peer, dial=trust)))
        await peer.go.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await peer.left.wait()


async def test_a_handshake_that_hangs_times_out(transport: Http1Transport, trust: Dial) -> None:
    async with listening(_says_nothing) as peer:
        peer.base = peer.base.replace("http:", "https:")
        # Long enough to reach the peer: reading the certificates counts, too.
        with pytest.raises(ConnectError, match="in time"):
            await transport.open(request_to(peer, connect=1.0, dial=trust))
        await peer.left.wait()


@pytest.mark.parametrize("text", ["nonsense", " ", "é", "-----BEGIN CERTIFICATE-----\ncanary\n"])
async def test_trust_that_can_not_be_read_is_told(transport: Http1Transport, text: str) -> None:
    peer = Peer(base="https://127.0.0.1:9")
    for _ in range(2):
        with pytest.raises(ConnectError, match="ca_certificates") as caught:
            await transport.open(request_to(peer, dial=Dial(ca_certificates=text)))
        assert "canary" not in str(caught.value)


async def test_each_upstream_is_trusted_by_its_own_dial(tmp_path: Path, transport: Http1Transport) -> None:
    authorities = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        authorities.append(Authority(tmp_path / name))
    dials = [Dial(ca_certificates=authority.pem) for authority in authorities]
    async with (
        listening(keeps_answering(OK, OK), tls=authorities[0].server("127.0.0.1")) as one,
        listening(keeps_answering(OK, OK), tls=authorities[1].server("127.0.0.1")) as other,
    ):
        for _ in range(2):
            assert await read_all(await transport.open(request_to(one, dial=dials[0]))) == b"ok"
            assert await read_all(await transport.open(request_to(other, dial=dials[1]))) == b"ok"
            # A connection that another dial trusted is none for those that do not.
            for peer, dial in ((one, dials[1]), (other, dials[0]), (one, NO_DIAL)):
                with pytest.raises(ConnectError, match="TLS certificate"):
                    await transport.open(request_to(peer, dial=dial))

    assert (len(one.requests), len(other.requests)) == (2, 2)


async def test_equal_dials_share_connections_and_others_do_not(transport: Http1Transport) -> None:
    async with listening(keeps_answering(OK, OK, OK)) as peer:
        for dial in (NO_DIAL, Dial(), Dial(keep_alive=7), Dial(keep_alive=7), Dial(keep_alive=8)):
            assert await read_all(await transport.open(request_to(peer, dial=dial))) == b"ok"

    assert peer.connections == 3


@pytest.mark.parametrize(("keep_alive", "seconds"), [(0, 60), (7, 7)])
async def test_tcp_probes_after_the_silence_that_the_dial_says(
    transport: Http1Transport, monkeypatch: pytest.MonkeyPatch, keep_alive: int, seconds: int
) -> None:
    set_option = socket.socket.setsockopt
    options: dict[tuple[int, int], object] = {}

    def takes_note(sock: socket.socket, level: int, option: int, value: int) -> None:
        options[level, option] = value
        set_option(sock, level, option, value)

    monkeypatch.setattr(socket.socket, "setsockopt", takes_note)
    async with listening(keeps_answering(OK)) as peer:
        request = request_to(peer, dial=Dial(keep_alive=keep_alive))
        assert await read_all(await transport.open(request)) == b"ok"

    assert options[socket.SOL_SOCKET, socket.SO_KEEPALIVE] == 1
    assert options[socket.IPPROTO_TCP, socket.TCP_KEEPIDLE] == seconds


async def test_what_a_dial_needs_is_forgotten_an_hour_after_its_connections(
    transport: Http1Transport, trust: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(hangs_after_headers) as peer, listening(keeps_answering(OK)) as kept:
        incoming = await transport.open(request_to(peer, dial=trust))
        other = Dial(keep_alive=7)
        assert await read_all(await transport.open(request_to(kept, dial=other))) == b"ok"
        transport._sweep()
        assert transport._connectors.keys() == {trust.key, other.key}
        incoming.close()
        await peer.left.wait()
        transport._sweep()
        assert transport._connectors.keys() == {trust.key, other.key}
        monkeypatch.setattr("tollkeeper_server.http1.client.transport.DIAL_SECONDS", 0.0)
        transport._sweep()
        assert transport._connectors.keys() == {other.key}


async def test_an_address_of_the_sixth_version_is_understood(transport: Http1Transport) -> None:
    async with listening(answers(OK), host="::1") as peer:
        assert await read_all(await transport.open(request_to(peer))) == b"ok"

    assert f"host: [::1]:{peer.port}\r\n".encode() in peer.requests[0]


async def test_another_address_is_tried_if_the_first_is_deaf(
    transport: Http1Transport, monkeypatch: pytest.MonkeyPatch
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
        assert await read_all(await transport.open(request_to(peer))) == b"ok"


async def test_a_name_that_does_not_resolve_is_told(
    transport: Http1Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_args: object, **_kwargs: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "canary")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fails)
    with pytest.raises(ConnectError, match="does not resolve") as caught:
        await transport.open(request_to(Peer(base="http://unknown.invalid")))
    assert "canary" not in str(caught.value)
