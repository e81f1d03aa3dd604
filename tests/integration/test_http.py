"""HTTP as clients really speak it: curl's versions, bodies refused before they came, busy connections."""

import asyncio
import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.integration.curl import Answered, curl
from tests.integration.h2wire import H2Wire
from tests.integration.process import MANAGEMENT_TOKEN, Gateway, Simulator
from tests.integration.wire import Answer, Wire, bearer, compose

JSON = ("content-type", "application/json")
CHAT = "/v1/chat/completions"
MAX_BODY = 100_000
LARGE = 5_000_000


def body(**members: object) -> bytes:
    content = {"model": "gpt-4o", "messages": [{"role": "user", "content": "one two three"}], **members}
    return msgspec.json.encode(content)


BODY = body()


# curl


def certificate(directory: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1, as an administrator would bring one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = directory / "server.pem", directory / "server.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths


class Site:
    """A gateway, a token of it, and what curl needs to trust it."""

    def __init__(self, gateway: Gateway, simulator: Simulator, trusts: tuple[str, ...] = ()) -> None:
        gateway.serve_models(simulator)
        self.gateway = gateway
        self.token = gateway.new_token()
        self._trusts = trusts

    def curl(
        self, version: str, path: str, *options: str, token: str | None = None, listener: str = "console"
    ) -> Answered:
        """Return what curl got."""
        authorization = f"Authorization: Bearer {token or self.token}"
        url = f"{getattr(self.gateway, listener)}{path}"
        return curl([version, "--header", authorization, *self._trusts, *options, url])


@pytest.fixture(scope="module", params=["plain", "self-signed", "a certificate of one's own"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, simulator: Simulator
) -> Iterator[Site]:
    """A gateway whose console speaks as the parameter says."""
    directory = tmp_path_factory.mktemp("http")
    options: tuple[str, ...] = ()
    trusts = directory / "data" / "self-signed.crt"
    match request.param:
        case "self-signed":
            options = ("--tls", "self-signed")
        case "a certificate of one's own":
            trusts, key = certificate(directory)
            options = ("--tls-cert", str(trusts), "--tls-key", str(key))
    with Gateway(directory, *options) as gateway:
        assert gateway.console.startswith("https://" if options else "http://")
        yield Site(gateway, simulator, ("--cacert", str(trusts)) if options else ())


VERSIONS = {"--http1.1": "1.1", "--http2-prior-knowledge": "2", "--http2": "2"}


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """curl's option: HTTP/1.1, HTTP/2 at once, or HTTP/2 by ALPN or, without TLS, by upgrade."""
    option: str = request.param
    return option


def test_curl_reads(site: Site, version: str) -> None:
    answer = site.curl(version, "/manage/projects", token=MANAGEMENT_TOKEN)
    assert (answer.version, answer.status) == (VERSIONS[version], 200)
    assert len(msgspec.json.decode(answer.body, type=list[dict[str, object]])) == 1
    answer = site.curl(version, "/v1/models")
    assert (answer.version, answer.status) == (VERSIONS[version], 200)
    assert b'"gpt-4o"' in answer.body


def sent_as(site: Site, version: str) -> str:
    # An upgrade is for requests without a body (RFC 7540, 3.2): with one, HTTP/1.1 goes on.
    upgrades = version == "--http2" and site.gateway.console.startswith("http:")
    return "1.1" if upgrades else VERSIONS[version]


def test_curl_posts(site: Site, version: str) -> None:
    post = ("--header", "Content-Type: application/json", "--data", BODY.decode())
    answer = site.curl(version, CHAT, *post)
    assert (answer.version, answer.status) == (sent_as(site, version), 200)
    assert msgspec.json.decode(answer.body)["usage"]["prompt_tokens"] == 6
    make = ("--header", "Content-Type: application/json", "--data", '{"name": "by curl"}')
    answer = site.curl(version, "/manage/projects", *make, token=MANAGEMENT_TOKEN)
    assert (answer.version, answer.status) == (sent_as(site, version), 201)
    assert msgspec.json.decode(answer.body)["name"] == "by curl"


def test_curl_streams(site: Site, version: str) -> None:
    post = ("--header", "x-simulate: events=20", "--json", body(stream=True).decode())
    answer = site.curl(version, CHAT, *post)
    assert (answer.version, answer.status) == (sent_as(site, version), 200)
    assert answer.body.count(b"data: ") == 1 + 20 + 1 + 1
    assert answer.body.endswith(b"data: [DONE]\n\n")


def test_curl_uploads_and_is_told_to_continue(site: Site, version: str, tmp_path: Path) -> None:
    file = tmp_path / "upload.bin"
    file.write_bytes(b"u" * 3_000_000)
    form = ("--form", f"file=@{file}", "--form", "purpose=batch", "--header", "Expect: 100-continue")
    answer = site.curl(version, "/v1/files", *form)
    assert (answer.version, answer.status) == (sent_as(site, version), 200)
    assert msgspec.json.decode(answer.body)["bytes"] == 3_000_000


# Bodies that are refused before they came


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[Site]:
    """A gateway that takes small bodies only."""
    small = str(MAX_BODY)
    directory = tmp_path_factory.mktemp("small")
    with Gateway(directory, max_body_bytes=small, max_upload_bytes=small) as gateway:
        yield Site(gateway, simulator)


REFUSALS = {
    "too large": (CHAT, 413, b"request_too_large"),
    "too large an upload": ("/v1/files", 413, b"request_too_large"),
    "a stranger": (CHAT, 401, b"invalid_api_key"),
    "a path that leads nowhere": ("/v1/files/%2e%2e/x", 400, b"invalid_argument"),
}


@pytest.fixture(params=REFUSALS)
def refusal(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def presented(small: Site, refusal: str) -> list[tuple[str, str]]:
    return [bearer("sk-tk-unknown" if refusal == "a stranger" else small.token), JSON]


@pytest.mark.parametrize("listener", ["data", "console"])
@pytest.mark.parametrize("declared", [True, False])
def test_over_http1_a_refusal_does_not_wait_for_the_body(
    small: Site, refusal: str, listener: str, declared: bool
) -> None:
    path, status, code = REFUSALS[refusal]
    framing = ("content-length", str(LARGE)) if declared else ("transfer-encoding", "chunked")
    with Wire(getattr(small.gateway, listener)) as wire:
        wire.send(compose("POST", path, [*presented(small, refusal), framing]))
        piece = b"x" * 20_000
        chunk = piece if declared else b"%x\r\n%s\r\n" % (len(piece), piece)
        sent = 0
        if not declared and status == 413:
            for _ in range(MAX_BODY // len(piece) + 1):
                wire.send(chunk)
                sent += len(piece)
        head = wire.head()  # before the body has come to its end
        answer = wire.body(head)
        assert head.status == status
        assert code in next(answer)
        while sent < LARGE:
            wire.send(chunk)
            sent += len(piece)
        if not declared:
            wire.send(b"0\r\n\r\n")
        assert list(answer) == []
        if declared:  # the rest was read and dropped, so that the connection is in step
            assert wire.ask("POST", CHAT, [bearer(small.token), JSON], BODY).status == 200
        else:
            assert head.header("connection") == "close"
            assert wire.ended()


@pytest.mark.parametrize("declared", [True, False])
def test_over_http2_a_refusal_does_not_wait_for_the_body(small: Site, refusal: str, declared: bool) -> None:
    path, status, code = REFUSALS[refusal]
    length = [("content-length", str(LARGE))] if declared else []
    with H2Wire(small.gateway.console) as wire:
        refused = wire.open("POST", path, [*presented(small, refusal), *length])
        sent = 0
        if not declared and status == 413:
            sent = MAX_BODY + 1
            wire.send(refused, b"x" * sent)
        assert wire.status(refused) == status  # before the body has come to its end
        wire.send(refused, b"x" * 50_000)
        other = wire.open("POST", CHAT, [bearer(small.token), JSON])
        wire.send(other, BODY, ends=True)
        assert wire.answer(other).status == 200  # while the first still sends
        wire.send(refused, b"x" * (LARGE - sent - 50_000), ends=True)
        answer = wire.answer(refused)
        assert answer.ended
        assert code in answer.body
        last = wire.open("GET", "/v1/models", [bearer(small.token)], ends=True)
        assert wire.answer(last).status == 200
        assert not wire.terminated


@pytest.mark.parametrize("listener", ["data", "console"])
def test_a_refused_client_is_not_told_to_continue(small: Site, refusal: str, listener: str) -> None:
    path, status, _ = REFUSALS[refusal]
    waits = [("content-length", str(LARGE)), ("expect", "100-continue")]
    with Wire(getattr(small.gateway, listener)) as wire:
        wire.send(compose("POST", path, [*presented(small, refusal), *waits]))
        head = wire.head()
        assert (head.status, head.header("connection")) == (status, "close")


@pytest.mark.parametrize("listener", ["data", "console"])
@pytest.mark.parametrize("framing", ["Content-Type: application/json", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("expect", ["Expect:", "Expect: 100-continue"])
def test_curl_reads_the_refusal_while_it_uploads(
    small: Site, tmp_path: Path, listener: str, framing: str, expect: str
) -> None:
    file = tmp_path / "large.json"
    file.write_bytes(b"x" * LARGE)
    options = ["--header", framing, "--header", expect, "--data-binary", f"@{file}"]
    answer = small.curl("--http1.1", CHAT, *options, listener=listener)
    assert (answer.version, answer.status) == ("1.1", 413)
    assert b"request_too_large" in answer.body


@pytest.mark.parametrize("listener", ["data", "console"])
def test_a_welcome_client_is_told_to_continue(small: Site, listener: str) -> None:
    waits = [("content-length", str(len(BODY))), ("expect", "100-continue")]
    with Wire(getattr(small.gateway, listener)) as wire:
        wire.send(compose("POST", CHAT, [bearer(small.token), JSON, *waits]))
        assert wire.head().status == 100
        wire.send(BODY)
        assert wire.answer().status == 200


@pytest.mark.parametrize("listener", ["data", "console"])
def test_a_body_of_the_very_limit_passes(small: Site, listener: str) -> None:
    padding = MAX_BODY - len(body(user=""))
    with Wire(getattr(small.gateway, listener)) as wire:
        for more, status in ((0, 200), (1, 413)):
            content = body(user="x" * (padding + more))
            assert wire.ask("POST", CHAT, [bearer(small.token), JSON], content).status == status


def test_the_management_plane_has_a_limit_of_its_own(small: Site) -> None:
    with H2Wire(small.gateway.console) as wire:
        number = wire.open(
            "POST", "/manage/projects", [bearer(MANAGEMENT_TOKEN), JSON, ("content-length", str(LARGE))]
        )
        assert wire.status(number) == 413


# Busy connections


async def test_many_streams_share_one_http2_connection(gateway: Gateway, token: str) -> None:
    async with httpx2.AsyncClient(http1=False, http2=True, limits=httpx2.Limits(max_connections=1)) as client:

        async def one(words: int) -> int:
            answer = await client.post(
                f"{gateway.console}{CHAT}",
                headers=dict([bearer(token), JSON, ("x-simulate", f"events={words},interval=1")]),
                content=body(stream=True),
            )
            assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
            assert answer.content.endswith(b"data: [DONE]\n\n")
            return answer.content.count(b"data: ") - 3

        counts = await asyncio.gather(*(one(words) for words in range(1, 101)))
    assert counts == list(range(1, 101))


@pytest.mark.parametrize("listener", ["data", "console"])
def test_pipelined_requests_are_answered_in_order(gateway: Gateway, token: str, listener: str) -> None:
    names = [f"pipelined-{number}" for number in range(50)]
    with Wire(getattr(gateway, listener)) as wire:
        wire.send(
            b"".join(
                compose("POST", CHAT, [bearer(token), JSON, ("x-request-id", name)], BODY) for name in names
            )
        )
        answers = [wire.answer() for _ in names]
    assert [answer.header("x-request-id") for answer in answers] == names
    assert {answer.status for answer in answers} == {200}


# As the HttpClient of every JDK asks without TLS, whether it has a body to send or not.
JAVA = [
    ("connection", "Upgrade, HTTP2-Settings"),
    ("upgrade", "h2c"),
    ("http2-settings", "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA"),
]


@pytest.mark.parametrize("listener", ["data", "console"])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_body_whose_head_offers_another_protocol_arrives(
    gateway: Gateway, token: str, listener: str, chunked: bool, at_once: bool
) -> None:
    framing = ("transfer-encoding", "chunked") if chunked else ("content-length", str(len(BODY)))
    content = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY) if chunked else BODY
    request = compose("POST", CHAT, [bearer(token), JSON, framing, *JAVA]) + content
    with Wire(getattr(gateway, listener)) as wire:
        for _ in range(2):
            for piece in [request] if at_once else [request[:-60], request[-60:-30], request[-30:]]:
                wire.send(piece)
            answer = wire.answer()
            assert answer.status == 200
            assert msgspec.json.decode(answer.body)["usage"]["prompt_tokens"] == 6
        assert wire.ask("GET", "/v1/models", [bearer(token)]).status == 200


@pytest.mark.parametrize("listener", ["data", "console"])
def test_a_request_may_come_byte_by_byte(gateway: Gateway, token: str, listener: str) -> None:
    with Wire(getattr(gateway, listener)) as wire:
        for byte in compose("POST", CHAT, [bearer(token), JSON], BODY):
            wire.send(bytes([byte]))
        assert wire.answer().status == 200


@pytest.mark.parametrize("listener", ["data", "console"])
def test_a_client_that_does_not_read_holds_up_nobody_else(
    gateway: Gateway, token: str, listener: str
) -> None:
    url = getattr(gateway, listener)
    with Wire(url) as slow:
        slow.send(compose("POST", CHAT, [bearer(token), JSON, ("x-simulate", "pad=30000000")], BODY))
        head = slow.head()
        with Wire(url) as other:
            for _ in range(20):
                assert other.ask("POST", CHAT, [bearer(token), JSON], BODY).status == 200
        whole = b"".join(slow.body(head))
    assert len(whole) > 30_000_000
    assert msgspec.json.decode(whole)["usage"]["prompt_tokens"] == 6


@pytest.mark.parametrize("listener", ["data", "console"])
def test_a_connection_lasts_for_1500_requests(gateway: Gateway, token: str, listener: str) -> None:
    with Wire(getattr(gateway, listener)) as wire:
        for _ in range(1500):
            assert wire.ask("GET", "/v1/models", [bearer(token)]).status == 200


def test_an_http2_connection_lasts_for_1500_requests(gateway: Gateway, token: str) -> None:
    with H2Wire(gateway.console) as wire:
        for _ in range(1500):
            number = wire.open("GET", "/v1/models", [bearer(token)], ends=True)
            assert wire.answer(number).status == 200
    assert not wire.terminated


def test_the_consoles_time_limit_is_not_the_data_planes(gateway: Gateway, token: str) -> None:
    # Quart ends an answer after a minute, and marks all it answers with its policies.
    def answer(path: str, secret: str) -> Answer:
        with Wire(gateway.console) as wire:
            return wire.ask("GET", path, [bearer(secret)])

    assert answer("/manage/projects", MANAGEMENT_TOKEN).header("content-security-policy")
    for path in ("/v1/models", "/v1/files", "/openai/v1/models"):
        assert answer(path, token).header("content-security-policy") is None
