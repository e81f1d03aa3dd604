"""Why a connection failed: each reason, from a real server that has it, and what is said of it to whom."""

import asyncio
import contextlib
import os
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID
from tollkeeper_server.dataplane.transport import ConnectError, CutError, TransportError
from tollkeeper_server.domain.connect_failure import ConnectProblem, ConnectReason
from tollkeeper_server.http1.client.transport import Http1Transport
from tollkeeper_server.snapshot.model import Dial

from tests.contract.issued import Issued, issue, serving
from tests.contract.peers import (
    DEADLINE,
    NO_CERTIFICATE,
    OK,
    Handler,
    Peer,
    Reader,
    Writer,
    answers,
    keeps_answering,
    listening,
    nginx_refuses,
    read_all,
    request_to,
    saying,
)

R = ConnectReason
ROOT = issue("Test root", ca=True)
INTERMEDIATE = issue("Test intermediate", ca=True, by=ROOT)
STRANGER = issue("Unknown root", ca=True)
AGREED = b"HTTP/1.1 200 OK\r\n\r\n"

Contexts = Callable[[Path], ssl.SSLContext]


@pytest.fixture
async def transport() -> AsyncIterator[Http1Transport]:
    """The transport that is held to its promises."""
    transport = Http1Transport()
    yield transport
    await transport.close()


def _trust(*, proxy: str = "", client: Issued | None = None) -> Dial:
    return Dial(
        ca_certificates=ROOT.pem,
        ca_only=True,
        proxy=proxy,
        client_certificate=client.pem if client else "",
        client_key=client.key_pem if client else "",
    )


async def _problem(transport: Http1Transport, peer: Peer, dial: Dial) -> ConnectProblem:
    """Return why no connection comes about; nothing of it may tell callers where the upstream is."""
    with pytest.raises(ConnectError) as caught:
        await transport.open(request_to(peer, dial=dial, connect=10.0))
    assert "127.0.0.1" not in str(caught.value)
    assert "localhost" not in str(caught.value)
    assert caught.value.problem is not None
    return caught.value.problem


SHOWN: dict[str, tuple[list[Issued], ConnectReason]] = {
    "expired": ([issue(by=ROOT, days=(-9, -1))], R.CERTIFICATE_EXPIRED),
    "expired a moment ago": ([issue(by=ROOT, days=(-9, 0))], R.CERTIFICATE_EXPIRED),
    "not valid yet": ([issue(by=ROOT, days=(1, 9))], R.CERTIFICATE_NOT_YET_VALID),
    "another address": ([issue(by=ROOT, hosts=["127.0.0.2"])], R.CERTIFICATE_WRONG_HOST),
    "a name, not the address": ([issue(by=ROOT, hosts=["localhost"])], R.CERTIFICATE_WRONG_HOST),
    "no host": ([issue(by=ROOT, hosts=[])], R.CERTIFICATE_WRONG_HOST),
    "signed by itself": ([issue()], R.CERTIFICATE_UNKNOWN_AUTHORITY),
    "an authority itself": ([issue(ca=True, hosts=["127.0.0.1"])], R.CERTIFICATE_UNKNOWN_AUTHORITY),
    "an unknown root, sent": ([issue(by=STRANGER), STRANGER], R.CERTIFICATE_UNKNOWN_AUTHORITY),
    "an unknown root behind an intermediate": (
        [issue(by=(middle := issue("Middle", ca=True, by=STRANGER))), middle],
        R.CERTIFICATE_UNKNOWN_AUTHORITY,
    ),
    "no intermediate": ([issue(by=INTERMEDIATE)], R.CERTIFICATE_MISSING_INTERMEDIATE),
    "an expired intermediate": (
        [issue(by=(old := issue("Old", ca=True, by=ROOT, days=(-9, -1)))), old],
        R.CERTIFICATE_EXPIRED,
    ),
    "an issuer that is no authority": (
        [issue(by=(leaf := issue("Leaf", by=ROOT))), leaf],
        R.CERTIFICATE_INVALID,
    ),
    "too long a chain": (
        [
            issue(by=(low := issue("Low", ca=True, by=(top := issue("T", ca=True, path_length=0, by=ROOT))))),
            low,
            top,
        ],
        R.CERTIFICATE_INVALID,
    ),
    "a client's": ([issue(by=ROOT, usage=ExtendedKeyUsageOID.CLIENT_AUTH)], R.CERTIFICATE_INVALID),
    "a weak key": (
        [issue(by=ROOT, key=rsa.generate_private_key(65537, 1024))],  # noqa: S505 - that is the point
        R.CERTIFICATE_INVALID,
    ),
    "outside of what its authority may sign": (
        [
            issue(
                hosts=["127.0.0.1", "elsewhere.test"],
                by=(narrow := issue("Narrow", ca=True, by=ROOT, permitted="inside.test")),
            ),
            narrow,
        ],
        R.CERTIFICATE_INVALID,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", SHOWN)
async def test_a_certificate_that_is_not_accepted_is_told_by_its_fault(
    transport: Http1Transport, tmp_path: Path, kind: str
) -> None:
    shown, reason = SHOWN[kind]
    async with listening(answers(OK), tls=serving(tmp_path, *shown, weak=kind == "a weak key")) as peer:
        problem = await _problem(transport, peer, _trust())

    assert (problem.reason, problem.at_proxy, problem.is_lasting) == (reason, False, True)
    assert peer.requests == []


async def test_a_name_in_the_subject_alone_is_none(transport: Http1Transport, tmp_path: Path) -> None:
    # RFC 9110, 4.3.4.
    async with listening(answers(OK), tls=serving(tmp_path, issue("localhost", by=ROOT, hosts=[]))) as peer:
        peer.base = f"https://localhost:{peer.port}"
        problem = await _problem(transport, peer, _trust())

    assert problem.reason is R.CERTIFICATE_WRONG_HOST
    assert "no host (subject 'CN=localhost')" in problem.detail


# Alternative names (RFC 5280, 4.2.1.6) that OpenSSL takes and cryptography does not, or nobody can use.
ODD_NAMES = {
    "an X.400 address": "3004a3020500",
    "half an address": "30058703010203",
    "none": "3000",
    "letters that are not ASCII": "30048202c3a9",
    "control characters": "300a8208780a1b5b33316d74",
}


@pytest.mark.parametrize("kind", ODD_NAMES)
async def test_a_certificate_that_can_not_be_read_is_told_by_its_fault(
    transport: Http1Transport, tmp_path: Path, kind: str
) -> None:
    names = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, bytes.fromhex(ODD_NAMES[kind]))
    shown = issue(by=STRANGER, hosts=[], extension=names)
    async with listening(answers(OK), tls=serving(tmp_path, shown)) as peer:
        problem = await _problem(transport, peer, _trust())

    assert problem.reason in {R.CERTIFICATE_MISSING_INTERMEDIATE, R.CERTIFICATE_UNKNOWN_AUTHORITY}
    assert problem.detail.isprintable()


async def test_operators_are_told_what_the_certificate_says(
    transport: Http1Transport, tmp_path: Path
) -> None:
    shown = issue("api.test", by=ROOT, hosts=["api.test", "10.0.0.1"], days=(-3, -2))
    async with listening(answers(OK), tls=serving(tmp_path, shown)) as peer:
        detail = (await _problem(transport, peer, _trust())).detail

    until = shown.certificate.not_valid_after_utc
    for part in ("api.test, 10.0.0.1", "CN=Test root", f"{until:%Y-%m-%d %H:%M}", "127.0.0.1"):
        assert part in detail


async def test_what_a_certificate_says_stays_one_short_line(
    transport: Http1Transport, tmp_path: Path
) -> None:
    name = "a\nWARNING b"
    shown = issue(name, hosts=["x" * 60 + f".test{number}" for number in range(300)], by=ROOT)
    async with listening(answers(OK), tls=serving(tmp_path, shown)) as peer:
        detail = (await _problem(transport, peer, _trust())).detail

    assert "\n" not in detail
    assert len(detail) <= 1001


@pytest.mark.parametrize(
    "greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n", b"220 mail ESMTP\r\n"]
)
async def test_what_does_not_speak_tls_is_told(transport: Http1Transport, greeting: bytes) -> None:
    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        writer.write(greeting)
        await peer.wait_for_eof(reader)

    async with listening(handler) as peer:
        peer.base = peer.base.replace("http:", "https:")
        problem = await _problem(transport, peer, _trust())

    assert (problem.reason, problem.is_lasting) == (R.NO_TLS, True)


def _old(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1


def _odd_ciphers(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES256-SHA:@SECLEVEL=0")  # for RSA keys alone, and the server's is another


def _refuses_name(context: ssl.SSLContext) -> None:
    def refuse(*_: object) -> int:
        return int(ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)

    context.sni_callback = refuse


def _fails(context: ssl.SSLContext) -> None:
    def fail(*_: object) -> int:
        return int(ssl.ALERT_DESCRIPTION_INTERNAL_ERROR)

    context.sni_callback = fail


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(
    ("change", "reason", "lasts"),
    [
        (_old, R.TLS_VERSION, True),
        (_odd_ciphers, R.TLS_REFUSED, True),
        (_refuses_name, R.TLS_REFUSED, True),
        (_fails, R.TLS_FAILED, False),
    ],
)
async def test_a_handshake_that_the_upstream_ends_is_told(
    transport: Http1Transport,
    tmp_path: Path,
    change: Callable[[ssl.SSLContext], None],
    reason: ConnectReason,
    lasts: bool,
) -> None:
    context = serving(tmp_path, issue("localhost", by=ROOT), weak=True)
    change(context)
    async with blocking(context) as peer:
        peer.base = f"https://localhost:{peer.port}"
        problem = await _problem(transport, peer, _trust())

    assert (problem.reason, problem.is_lasting) == (reason, lasts)
    assert problem.detail


@pytest.mark.parametrize("reset", [False, True])
async def test_a_handshake_that_breaks_off_is_told(transport: Http1Transport, reset: bool) -> None:
    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await reader.read(1)
        if reset:
            writer.transport.abort()

    async with listening(handler) as peer:
        peer.base = peer.base.replace("http:", "https:")
        problem = await _problem(transport, peer, _trust())

    assert (problem.reason, problem.is_lasting) == (R.CLOSED, False)


async def test_a_port_where_nothing_listens_is_told(transport: Http1Transport) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # taken, and deaf
        peer = Peer(base=f"http://127.0.0.1:{bound.getsockname()[1]}")
        problem = await _problem(transport, peer, Dial())

    assert (problem.reason, problem.is_lasting) == (R.REFUSED, False)


async def test_a_name_that_does_not_resolve_is_told(
    transport: Http1Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_args: object, **_kwargs: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fails)
    problem = await _problem(transport, Peer(base="http://unknown.invalid"), Dial())
    assert (problem.reason, problem.is_lasting) == (R.NAME, False)


@asynccontextmanager
async def blocking(context: ssl.SSLContext) -> AsyncIterator[Peer]:
    """A server on blocking sockets that only shakes hands: the loops' own send no alert when that fails."""

    def shake(accepted: socket.socket) -> None:
        accepted.settimeout(DEADLINE)
        with context.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False) as secured:
            with suppress(OSError):
                secured.do_handshake()
                secured.recv(65536)
            # What comes after the alert would have the system reset the connection, which may overtake it.
            with suppress(OSError), socket.socket(fileno=secured.detach()) as raw:
                raw.settimeout(DEADLINE)
                raw.shutdown(socket.SHUT_WR)
                while raw.recv(65536):
                    pass

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                shake(listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        try:
            yield Peer(port=port, base=f"https://127.0.0.1:{port}")
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            await asyncio.to_thread(thread.join, DEADLINE)


# Client certificates.

CLIENTS = issue("Clients", ca=True)
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def _client(by: Issued = CLIENTS, days: tuple[int, int] = (-1, 1)) -> Issued:
    return issue("gateway", by=by, usage=ExtendedKeyUsageOID.CLIENT_AUTH, days=days)


@asynccontextmanager
async def _wanting(tmp_path: Path, version: ssl.TLSVersion, handler: Handler) -> AsyncIterator[Peer]:
    context = serving(tmp_path, issue(by=ROOT), clients_of=CLIENTS)
    context.maximum_version = version
    async with listening(handler, tls=context) as peer:
        yield peer


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_client_certificate_is_shown_to_an_upstream_that_wants_one(
    transport: Http1Transport, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    async with _wanting(tmp_path, version, keeps_answering(OK)) as peer:
        assert await read_all(await transport.open(request_to(peer, dial=_trust(client=_client())))) == b"ok"


async def test_a_client_certificate_comes_with_its_intermediate(
    transport: Http1Transport, tmp_path: Path
) -> None:
    middle = issue("Middle", ca=True, by=CLIENTS)
    client = _client(middle)
    dial = Dial(
        ca_certificates=ROOT.pem,
        ca_only=True,
        client_certificate=client.pem + middle.pem,
        client_key=client.key_pem,
    )
    async with _wanting(tmp_path, VERSIONS[1], keeps_answering(OK)) as peer:
        assert await read_all(await transport.open(request_to(peer, dial=dial))) == b"ok"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("client", "reason"),
    [
        (None, R.CLIENT_CERTIFICATE_WANTED),
        (_client(STRANGER), R.CLIENT_CERTIFICATE_REFUSED),
        (_client(days=(-9, -1)), R.CLIENT_CERTIFICATE_REFUSED),
    ],
    ids=["none", "unknown", "expired"],
)
async def test_a_client_certificate_that_is_missing_or_refused_is_told(
    transport: Http1Transport,
    tmp_path: Path,
    version: ssl.TLSVersion,
    client: Issued | None,
    reason: ConnectReason,
) -> None:
    context = serving(tmp_path, issue(by=ROOT), clients_of=CLIENTS)
    context.maximum_version = version
    async with blocking(context) as peer:
        problem = await _problem(transport, peer, _trust(client=client))

    assert (problem.reason, problem.is_lasting) == (reason, True)


@pytest.mark.parametrize("ends", [True, False])
async def test_an_upload_is_not_said_to_be_unsent_when_its_certificate_is_judged_late(
    transport: Http1Transport, tmp_path: Path, ends: bool
) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"part"
        if not ends:
            await asyncio.Event().wait()

    context = serving(tmp_path, issue(by=ROOT), clients_of=CLIENTS)
    async with blocking(context) as peer:
        with pytest.raises(TransportError) as caught:
            await transport.open(request_to(peer, body=body(), dial=_trust()))

    assert isinstance(caught.value, CutError)
    assert caught.value.problem is not None
    assert caught.value.problem.reason is R.CLIENT_CERTIFICATE_WANTED


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (nginx_refuses(), R.CLIENT_CERTIFICATE_WANTED),
        (nginx_refuses("The SSL certificate error"), R.CLIENT_CERTIFICATE_WANTED),
        (nginx_refuses(status=495), R.CLIENT_CERTIFICATE_WANTED),
        (nginx_refuses(status=496), R.CLIENT_CERTIFICATE_WANTED),
        (nginx_refuses(server="openresty/1.25", signed="openresty/1.25"), R.CLIENT_CERTIFICATE_WANTED),
        (nginx_refuses("Request Header Or Cookie Too Large"), None),
        (nginx_refuses(status=403), None),
        (nginx_refuses(signed="nginx/1.22.1"), None),
        (nginx_refuses(end="keep-alive"), None),
        (nginx_refuses().replace(b"text/html", b"text/plain"), None),
        (nginx_refuses().replace(b"<html>", b"I said: <html>"), None),
    ],
)
async def test_a_page_that_refuses_a_client_certificate_is_told_from_others(
    transport: Http1Transport, tmp_path: Path, answer: bytes, reason: ConnectReason | None
) -> None:
    async with listening(saying(answer), tls=serving(tmp_path, issue(by=ROOT))) as peer:
        request = request_to(peer, dial=_trust())
        if reason is None:
            (await transport.open(request)).close()
        else:
            with pytest.raises(ConnectError) as caught:
                await transport.open(request)
            assert caught.value.problem is not None
            assert caught.value.problem.reason is reason
            await peer.left.wait()


async def test_without_tls_such_a_page_is_an_answer(transport: Http1Transport) -> None:
    async with listening(saying(nginx_refuses())) as peer:
        assert NO_CERTIFICATE.encode() in await read_all(await transport.open(request_to(peer)))


async def test_a_body_that_streamed_is_not_said_to_be_unsent(
    transport: Http1Transport, tmp_path: Path
) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"part"

    async with listening(saying(nginx_refuses()), tls=serving(tmp_path, issue(by=ROOT))) as peer:
        with pytest.raises(CutError) as caught:
            await transport.open(request_to(peer, body=body(), dial=_trust()))
    assert caught.value.problem is not None
    assert caught.value.problem.reason is R.CLIENT_CERTIFICATE_WANTED


async def test_the_key_is_in_no_text_of_the_dial() -> None:
    client = _client()
    key = client.key_pem.splitlines()[1]
    assert key in _trust(client=client).client_key
    assert key not in repr(_trust(client=client)) + _trust(client=client).key


async def test_a_url_that_can_not_be_used_is_told_as_a_setting(transport: Http1Transport) -> None:
    problem = await _problem(transport, Peer(base=f"http://{'a' * 64}.test"), _trust())
    assert (problem.reason, problem.is_lasting) == (R.SETTINGS, True)


# What took too long.


async def _too_slow(transport: Http1Transport, base: str, dial: Dial) -> ConnectProblem:
    with pytest.raises(ConnectError) as caught:
        await transport.open(request_to(Peer(base=base), dial=dial, connect=0.2))
    assert caught.value.problem is not None
    return caught.value.problem


async def test_a_name_whose_look_up_hangs_is_told_as_the_name(
    transport: Http1Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", hang)
    for dial, at_proxy in ((_trust(), False), (_trust(proxy="http://hangs.test"), True)):
        problem = await _too_slow(transport, "http://hangs.test", dial)
        assert (problem.reason, problem.at_proxy) == (R.NAME, at_proxy)
        assert problem.detail == "its name was being looked up"


async def test_a_handshake_that_hangs_is_told_as_one(transport: Http1Transport) -> None:
    async def hang(_: Peer, reader: Reader, __: Writer) -> None:
        await reader.read()

    async with listening(hang) as peer:
        problem = await _too_slow(transport, peer.base.replace("http:", "https:"), _trust())
    assert (problem.reason, problem.detail) == (R.TIMED_OUT, "within the TLS handshake")


async def test_an_address_that_does_not_answer_is_told_as_one(transport: Http1Transport) -> None:
    with socket.socket() as full, contextlib.ExitStack() as taken:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # the system drops what does not fit into the queue
            waiting = taken.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        problem = await _too_slow(transport, f"http://127.0.0.1:{full.getsockname()[1]}", _trust())
    assert (problem.reason, problem.detail) == (R.TIMED_OUT, "nothing at its address answered")


# The proxy.


async def _proxies(peer: Peer, reader: Reader, writer: Writer) -> None:
    asked = await peer.read(reader)
    host, _, port = asked.split()[1].decode().rpartition(":")
    try:
        onward, back = await asyncio.open_connection(host, int(port))
    except OSError:
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        return
    writer.write(AGREED)

    async def pipe(source: Reader, sink: Writer) -> None:
        try:
            while data := await source.read(65536):
                sink.write(data)
        except ConnectionError:
            pass
        finally:
            sink.close()

    await asyncio.gather(pipe(reader, back), pipe(onward, writer))


@pytest.mark.parametrize(
    ("answer", "reason", "lasts"),
    [
        (b"HTTP/1.1 407 X\r\n\r\n", R.PROXY_CREDENTIALS, True),
        (b"HTTP/1.1 403 X\r\n\r\n", R.PROXY_DENIED, True),
        (b"HTTP/1.1 302 X\r\n\r\n", R.PROXY_DENIED, True),
        (b"HTTP/1.1 408 X\r\n\r\n", R.PROXY_FAILED, False),
        (b"HTTP/1.1 429 X\r\n\r\n", R.PROXY_FAILED, False),
        (b"HTTP/1.1 502 X\r\n\r\n", R.PROXY_FAILED, False),
        (b"HTTP/1.1 503 X\r\n\r\n", R.PROXY_FAILED, False),
        (b"SSH-2.0-x\r\n\r\n", R.PROXY_INVALID, True),
    ],
)
async def test_a_proxy_that_refuses_is_told_as_the_proxy(
    transport: Http1Transport, answer: bytes, reason: ConnectReason, lasts: bool
) -> None:
    async with listening(saying(answer)) as proxy:
        problem = await _problem(transport, Peer(base="https://127.0.0.1:9"), _trust(proxy=proxy.base))

    assert (problem.reason, problem.at_proxy, problem.is_lasting) == (reason, True, lasts)


async def test_the_proxys_own_tls_is_told_as_the_proxys(transport: Http1Transport, tmp_path: Path) -> None:
    context = serving(tmp_path, issue(by=ROOT, days=(-9, -1)))
    async with listening(_proxies, tls=context) as proxy:
        problem = await _problem(transport, Peer(base="https://127.0.0.1:9"), _trust(proxy=proxy.base))

    assert (problem.reason, problem.at_proxy) == (R.CERTIFICATE_EXPIRED, True)


async def test_a_proxy_that_is_not_there_is_told_as_the_proxy(transport: Http1Transport) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        dial = Dial(proxy=f"http://127.0.0.1:{bound.getsockname()[1]}")
        problem = await _problem(transport, Peer(base="https://127.0.0.1:9"), dial)

    assert (problem.reason, problem.at_proxy) == (R.REFUSED, True)


async def test_a_proxy_that_hangs_is_told_as_the_proxy(transport: Http1Transport) -> None:
    async with listening(saying(b"")) as proxy:
        dial = Dial(proxy=proxy.base)
        with pytest.raises(ConnectError) as caught:
            await transport.open(request_to(Peer(base="https://127.0.0.1:9"), dial=dial, connect=0.2))

    assert caught.value.problem == ConnectProblem(
        reason=R.TIMED_OUT, at_proxy=True, detail="before it answered CONNECT"
    )


@pytest.mark.parametrize(
    ("answer", "reason", "told"),
    [
        (b"HTTP/1.1 407 X\r\n\r\n", R.PROXY_CREDENTIALS, "answered CONNECT with status 407"),
        (b"HTTP/1.1 403 X\r\n\r\n", R.PROXY_DENIED, "answered CONNECT with status 403"),
        (b"HTTP/1.1 999 X\r\n\r\n", R.PROXY_INVALID, 'answered CONNECT with "HTTP/1.1 999 X"'),
        (b"SSH-2.0-OpenSSH_9.2\r\n", R.PROXY_INVALID, 'answered CONNECT with "SSH-2.0-OpenSSH_9.2"'),
        (b"\x15\x03\x01\x00\x02\x02F", R.PROXY_INVALID, 'answered CONNECT with "??????F"'),
        (b"x" * 100, R.PROXY_INVALID, f'answered CONNECT with "{"x" * 80}"'),
        (AGREED + b"220 mail", R.PROXY_INVALID, "with status 200, and sent more before it was used"),
    ],
)
async def test_what_a_proxy_answered_is_told_with_its_name(
    transport: Http1Transport, answer: bytes, reason: ConnectReason, told: str
) -> None:
    async with listening(saying(answer)) as proxy:
        dial = _trust(proxy=proxy.base.replace("//", "//user:secret@"))
        problem = await _problem(transport, Peer(base="https://127.0.0.1:9"), dial)

    assert problem.reason is reason
    assert problem.detail.startswith(f"127.0.0.1:{proxy.port} ")
    assert problem.detail.endswith(told)
    assert "secret" not in problem.detail


async def test_a_proxy_that_repeats_the_request_does_not_tell_its_credentials(
    transport: Http1Transport,
) -> None:
    async def echo(peer: Peer, reader: Reader, writer: Writer) -> None:
        writer.write(await peer.read(reader))
        await peer.wait_for_eof(reader)

    async with listening(echo) as proxy:
        dial = _trust(proxy=proxy.base.replace("//", "//user:secret@"))
        problem = await _problem(transport, Peer(base="https://127.0.0.1:9"), dial)

    assert problem.detail.endswith('answered CONNECT with "CONNECT 127.0.0.1:9 HTTP/1.1"')


async def test_the_upstreams_tls_behind_a_proxy_is_told_as_the_upstreams(
    transport: Http1Transport, tmp_path: Path
) -> None:
    context = serving(tmp_path, issue(by=ROOT, days=(-9, -1)))
    async with listening(answers(OK), tls=context) as peer, listening(_proxies) as proxy:
        problem = await _problem(transport, peer, _trust(proxy=proxy.base))

    assert (problem.reason, problem.at_proxy) == (R.CERTIFICATE_EXPIRED, False)


async def test_a_proxy_does_not_get_to_see_the_client_certificate(
    transport: Http1Transport, tmp_path: Path
) -> None:
    shown = issue(by=ROOT)
    context = serving(tmp_path, shown)
    seen: list[object] = []

    async def notes(peer: Peer, reader: Reader, writer: Writer) -> None:
        seen.append(writer.get_extra_info("peercert"))
        await _proxies(peer, reader, writer)

    curious = serving(tmp_path, shown, clients_of=CLIENTS)
    curious.verify_mode = ssl.CERT_OPTIONAL
    async with (
        listening(keeps_answering(OK), tls=context) as peer,
        listening(notes, tls=curious) as proxy,
    ):
        dial = _trust(proxy=proxy.base, client=_client())
        assert await read_all(await transport.open(request_to(peer, dial=dial))) == b"ok"

    assert not any(seen)


# The end of a body that only the end of the connection ends.


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("notice", [True, False])
async def test_a_body_that_ends_with_the_connection_needs_the_notice_of_its_end(
    transport: Http1Transport, tmp_path: Path, version: ssl.TLSVersion, notice: bool
) -> None:
    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.read(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        await writer.drain()
        if not notice:
            with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as raw:
                raw.shutdown(socket.SHUT_WR)
            await peer.wait_for_eof(reader)

    context = serving(tmp_path, issue(by=ROOT))
    context.maximum_version = version
    async with listening(handler, tls=context) as peer:
        incoming = await transport.open(request_to(peer, dial=_trust()))
        if notice:
            assert await read_all(incoming) == b"all of it"
        else:
            with pytest.raises(CutError):
                await read_all(incoming)


async def test_a_slow_reader_gets_all_of_a_body_that_ends_with_the_connection(
    transport: Http1Transport, tmp_path: Path
) -> None:
    size = 8 << 20

    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.read(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(size >> 16):
            writer.write(bytes(1 << 16))
            await writer.drain()
            peer.go.set()

    async with listening(handler, tls=serving(tmp_path, issue(by=ROOT))) as peer:
        incoming = await transport.open(request_to(peer, dial=_trust()))
        await peer.go.wait()
        received = 0
        async for chunk in incoming.chunks():
            received += len(chunk)
            for _ in range(10):
                await asyncio.sleep(0)
        assert received == size


# Sessions.


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_session_of_an_upstream_is_resumed_by_the_next_connection(
    transport: Http1Transport, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    resumed: list[bool] = []

    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        resumed.append(writer.get_extra_info("ssl_object").session_reused)
        await answers(OK)(peer, reader, writer)

    context = serving(tmp_path, issue(by=ROOT))
    context.maximum_version = version
    other = Dial(ca_certificates=ROOT.pem, ca_only=True, keep_alive=7)
    async with listening(handler, tls=context) as peer:
        for dial in (_trust(), _trust(), _trust(), other):
            peer.closed.clear()
            assert await read_all(await transport.open(request_to(peer, dial=dial))) == b"ok"
            await peer.closed.wait()

    assert resumed == [False, True, True, False]


async def test_a_session_does_not_outlive_the_settings_that_trusted_it(
    transport: Http1Transport, tmp_path: Path
) -> None:
    async with listening(answers(OK), tls=serving(tmp_path, issue(by=ROOT))) as peer:
        assert await read_all(await transport.open(request_to(peer, dial=_trust()))) == b"ok"
        problem = await _problem(transport, peer, Dial(ca_certificates=STRANGER.pem, ca_only=True))

    assert problem.reason is R.CERTIFICATE_MISSING_INTERMEDIATE


async def test_a_session_is_not_resumed_for_longer_than_its_verification_counts(
    transport: Http1Transport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resumed: list[bool] = []

    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        resumed.append(writer.get_extra_info("ssl_object").session_reused)
        await answers(OK)(peer, reader, writer)

    async with listening(handler, tls=serving(tmp_path, issue(by=ROOT))) as peer:
        for seconds in (3600.0, 3600.0, 0.0, 3600.0):
            monkeypatch.setattr("tollkeeper_server.http1.client.tls.SESSION_SECONDS", seconds)
            peer.closed.clear()
            assert await read_all(await transport.open(request_to(peer, dial=_trust()))) == b"ok"
            await peer.closed.wait()

    assert resumed == [False, True, False, True]


# Authorities.


@pytest.mark.parametrize(
    ("dial", "system", "own"),
    [
        (Dial(), True, False),
        (Dial(ca_certificates=ROOT.pem), True, True),
        (Dial(ca_certificates=ROOT.pem, ca_only=True), False, True),
    ],
)
async def test_authorities_are_trusted_beside_the_systems_or_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dial: Dial, system: bool, own: bool
) -> None:
    (tmp_path / "system.pem").write_text(STRANGER.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))
    transport = Http1Transport()
    for authority, trusted in ((STRANGER, system), (ROOT, own)):
        async with listening(answers(OK), tls=serving(tmp_path, issue(by=authority))) as peer:
            if trusted:
                assert await read_all(await transport.open(request_to(peer, dial=dial))) == b"ok"
            else:
                await _problem(transport, peer, dial)
    await transport.close()


async def test_half_a_megabyte_of_authorities_is_trusted(transport: Http1Transport, tmp_path: Path) -> None:
    others = issue("Another root", ca=True).pem
    pem = others * (500_000 // len(others)) + ROOT.pem
    async with listening(answers(OK), tls=serving(tmp_path, issue(by=ROOT))) as peer:
        dial = Dial(ca_certificates=pem, ca_only=True)
        assert await read_all(await transport.open(request_to(peer, dial=dial))) == b"ok"
