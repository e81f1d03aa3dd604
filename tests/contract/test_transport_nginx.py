"""The transport and a server that nobody here wrote: its certificates, its sessions, its ends of bodies."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tollkeeper_server.dataplane.transport import ConnectError
from tollkeeper_server.domain.connect_failure import ConnectReason
from tollkeeper_server.http1.client.transport import Http1Transport
from tollkeeper_server.snapshot.model import Dial

from tests.contract.issued import Issued, issue
from tests.contract.peers import Peer, read_all, request_to
from tests.servers.nginx import running_nginx
from tests.servers.ports import free_port

pytestmark = pytest.mark.bench

R = ConnectReason
ROOT = issue("Test root", ca=True)
CLIENTS = issue("Clients", ca=True)
INTERMEDIATE = issue("Test intermediate", ca=True, by=ROOT)
LEAF = issue(by=INTERMEDIATE)
GOOD = (LEAF, INTERMEDIATE)
CLIENT = issue("gateway", by=CLIENTS)
TRUST = Dial(ca_certificates=ROOT.pem, ca_only=True)
RESUMED = "return 200 $ssl_session_reused;"


def _showing(client: Issued) -> Dial:
    return Dial(
        ca_certificates=ROOT.pem, ca_only=True, client_certificate=client.pem, client_key=client.key_pem
    )


@pytest.fixture
async def transport() -> AsyncIterator[Http1Transport]:
    """The transport that is held to its promises."""
    transport = Http1Transport()
    yield transport
    await transport.close()


@asynccontextmanager
async def _nginx(
    folder: Path, shown: Sequence[Issued], *settings: str, answer: str = "return 200 ok;"
) -> AsyncIterator[Peer]:
    port = free_port()
    (folder / "shown.pem").write_text("".join(it.pem for it in shown))
    (folder / "key.pem").write_text(shown[0].key_pem)
    (folder / "clients.pem").write_text(CLIENTS.pem)
    server = (
        f"listen 127.0.0.1:{port} ssl; ssl_certificate {folder}/shown.pem;\n"
        f"ssl_certificate_key {folder}/key.pem; ssl_session_cache shared:s:1m; {' '.join(settings)}\n"
        f"location / {{ {answer} }}"
    )
    async with running_nginx(folder, port, server):
        yield Peer(port=port, base=f"https://127.0.0.1:{port}")


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
async def test_its_sessions_are_resumed(transport: Http1Transport, tmp_path: Path, version: str) -> None:
    settings = (f"ssl_protocols {version};", "keepalive_timeout 0;")
    async with _nginx(tmp_path, GOOD, *settings, answer=RESUMED) as peer:
        request = request_to(peer, "GET", body=b"", dial=TRUST)
        found = [await read_all(await transport.open(request)) for _ in range(3)]

    assert found == [b".", b"r", b"r"]


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        ((issue(by=ROOT, days=(-9, -1)),), R.CERTIFICATE_EXPIRED),
        ((issue("other.test", by=ROOT),), R.CERTIFICATE_WRONG_HOST),
        ((issue(),), R.CERTIFICATE_UNKNOWN_AUTHORITY),
        ((LEAF,), R.CERTIFICATE_MISSING_INTERMEDIATE),
    ],
)
async def test_its_certificates_are_refused_by_their_faults(
    transport: Http1Transport, tmp_path: Path, shown: Sequence[Issued], reason: ConnectReason
) -> None:
    async with _nginx(tmp_path, shown) as peer:
        with pytest.raises(ConnectError) as caught:
            await transport.open(request_to(peer, dial=TRUST))

    assert caught.value.problem is not None
    assert caught.value.problem.reason is reason


async def test_its_plain_port_is_told(transport: Http1Transport, tmp_path: Path) -> None:
    plain = free_port()
    async with _nginx(tmp_path, GOOD, f"listen 127.0.0.1:{plain};") as peer:
        peer.base = f"https://127.0.0.1:{plain}"
        with pytest.raises(ConnectError) as caught:
            await transport.open(request_to(peer, dial=TRUST))

    assert caught.value.problem is not None
    assert caught.value.problem.reason is R.NO_TLS


async def test_it_gets_the_client_certificate_that_it_asks_for(
    transport: Http1Transport, tmp_path: Path
) -> None:
    settings = (f"ssl_client_certificate {tmp_path}/clients.pem;", "ssl_verify_client on;")
    async with _nginx(tmp_path, GOOD, *settings, answer="return 200 $ssl_client_s_dn;") as peer:
        incoming = await transport.open(request_to(peer, dial=_showing(CLIENT)))
        assert await read_all(incoming) == b"CN=gateway"


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize(
    ("client", "reason"),
    [
        (None, R.CLIENT_CERTIFICATE_WANTED),
        (issue("gateway", by=ROOT), R.CLIENT_CERTIFICATE_REFUSED),
        (issue("gateway", by=CLIENTS, days=(-9, -1)), R.CLIENT_CERTIFICATE_REFUSED),
    ],
    ids=["none", "unknown", "expired"],
)
@pytest.mark.parametrize("size", [2, 3_000_000])
async def test_its_page_that_refuses_a_client_certificate_is_a_connection_that_failed(
    transport: Http1Transport,
    tmp_path: Path,
    version: str,
    client: Issued | None,
    reason: ConnectReason,
    size: int,
) -> None:
    """It shakes hands first, and refuses in HTTP, before it looks at anything of the request."""
    dial = TRUST if client is None else _showing(client)
    settings = (
        f"ssl_client_certificate {tmp_path}/clients.pem;",
        "ssl_verify_client on;",
        f"ssl_protocols {version};",
        "client_max_body_size 10m;",
    )
    async with _nginx(tmp_path, GOOD, *settings) as peer:
        for _ in range(2):
            with pytest.raises(ConnectError) as caught:
                await transport.open(request_to(peer, body=bytes(size), dial=dial))
            problem = caught.value.problem
            assert problem is not None
            assert (problem.reason, problem.at_proxy) == (reason, False)
            assert "it answered with status 400" in problem.detail
