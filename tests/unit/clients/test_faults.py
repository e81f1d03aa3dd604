"""What the clients do about a gateway that fails, hangs, lies or speaks TLS."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tollkeeper import AsyncClient, Client, DeadlineExceeded, TollkeeperError, Unavailable
from tollkeeper.v1 import project_service_pb2 as pb

from tests.servers.ports import free_port

Behaviour = Callable[[bytes, grpc.ServicerContext], bytes]
OK = pb.GetProjectResponse(project=pb.Project(id="prj_1", name="demo")).SerializeToString()


class Answering(grpc.GenericRpcHandler):
    """Answers every method alike, and keeps which were called, with what metadata."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.methods: list[str] = []
        self.metadata: list[dict[str, str | bytes]] = []
        self._behaviour = behaviour

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        self.methods.append(details.method.rpartition("/")[2])
        self.metadata.append(dict(details.invocation_metadata))
        return grpc.unary_unary_rpc_method_handler(self._behaviour)


@contextmanager
def answering(
    behaviour: Behaviour, credentials: grpc.ServerCredentials | None = None
) -> Iterator[tuple[str, Answering]]:
    """Serve `behaviour` on a free port."""
    handler = Answering(behaviour)
    server = grpc.server(ThreadPoolExecutor(4), handlers=[handler])
    port = (
        server.add_secure_port("127.0.0.1:0", credentials)
        if credentials
        else server.add_insecure_port("127.0.0.1:0")
    )
    server.start()
    try:
        yield f"127.0.0.1:{port}", handler
    finally:
        server.stop(0).wait()


def failing_first(times: int) -> Behaviour:
    """Is unavailable so many times, then answers."""
    left = iter(range(times))

    def behaviour(request: bytes, context: grpc.ServicerContext) -> bytes:
        if next(left, None) is not None:
            context.abort(grpc.StatusCode.UNAVAILABLE, "restarting")
        return OK

    return behaviour


def test_a_read_is_tried_again_while_the_gateway_restarts() -> None:
    with answering(failing_first(3)) as (address, handler), Client(address) as client:
        assert client.projects.get("prj_1").name == "demo"
        assert handler.methods == ["GetProject"] * 4


async def test_an_asynchronous_read_is_tried_again_too() -> None:
    with answering(failing_first(3)) as (address, handler):
        async with AsyncClient(address) as client:
            assert (await client.projects.get("prj_1")).name == "demo"
        assert handler.methods == ["GetProject"] * 4


def test_trying_again_has_an_end() -> None:
    with answering(failing_first(9)) as (address, handler), Client(address) as client:
        with pytest.raises(Unavailable, match="restarting"):
            client.projects.get("prj_1")
        assert handler.methods == ["GetProject"] * 4


@pytest.mark.parametrize(
    "create",
    [
        lambda client: client.projects.create(name="demo"),
        lambda client: client.tokens.create(project_id="prj_1"),
        lambda client: client.tokens.rotate("tok_1"),
        lambda client: client.models.delete("fast"),
    ],
)
def test_what_would_be_done_twice_is_tried_once(create: Callable[[Client], object]) -> None:
    with answering(failing_first(1)) as (address, handler), Client(address) as client:
        with pytest.raises(Unavailable):
            create(client)
        assert len(handler.methods) == 1


@contextmanager
def hanging() -> Iterator[str]:
    """Serve an answer that does not come before the test is over."""
    over = threading.Event()

    def behaviour(request: bytes, context: grpc.ServicerContext) -> bytes:
        over.wait()
        return OK

    with answering(behaviour) as (address, _):
        try:
            yield address
        finally:
            over.set()


def test_an_answer_that_does_not_come_is_given_up() -> None:
    with (
        hanging() as address,
        Client(address, timeout=0.2) as client,
        pytest.raises(DeadlineExceeded, match=f"^{address} gave no answer within 0.2 s$"),
    ):
        client.projects.get("prj_1")


async def test_an_asynchronous_answer_that_does_not_come_is_given_up() -> None:
    with hanging() as address:
        async with AsyncClient(address, timeout=0.2) as client:
            with pytest.raises(DeadlineExceeded, match="no answer within"):
                await client.projects.get("prj_1")


def test_nobody_there_is_said_with_the_address() -> None:
    address = f"127.0.0.1:{free_port()}"
    with (
        Client(address) as client,
        pytest.raises(Unavailable, match=f"^no gateway answered at {address}: ") as failure,
    ):
        client.projects.get("prj_1")
    assert failure.value.reason == ""


def test_an_error_of_no_known_kind_is_still_one_of_ours() -> None:
    def behaviour(request: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "what is that?")

    with (
        answering(behaviour) as (address, _),
        Client(address) as client,
        pytest.raises(TollkeeperError, match=r"^what is that\?$") as failure,
    ):
        client.projects.get("prj_1")
    assert failure.value.code is grpc.StatusCode.UNIMPLEMENTED


def test_the_management_token_goes_with_every_call() -> None:
    with (
        answering(failing_first(0)) as (address, handler),
        Client(address, management_token="secret") as client,
    ):
        client.projects.get("prj_1")
        client.projects.get("prj_1")
    assert [it["authorization"] for it in handler.metadata] == ["Bearer secret"] * 2


def test_pages_are_fetched_when_they_are_reached() -> None:
    def behaviour(request: bytes, context: grpc.ServicerContext) -> bytes:
        asked = pb.ListProjectsRequest.FromString(request)
        at = int(asked.page_token or 0)
        projects = [pb.Project(id=str(it)) for it in range(at, at + asked.page_size)]
        following = str(at + asked.page_size) if at < 6 else ""
        return pb.ListProjectsResponse(projects=projects, next_page_token=following).SerializeToString()

    with answering(behaviour) as (address, handler), Client(address) as client:
        found = client.projects.list(page_size=3)
        assert handler.methods == []
        assert [next(found).id for _ in range(3)] == ["0", "1", "2"]
        assert len(handler.methods) == 1
        assert [it.id for it in found] == [str(it) for it in range(3, 9)]
        assert len(handler.methods) == 3


def certificate(names: Sequence[x509.GeneralName]) -> tuple[bytes, bytes]:
    """Return a self-signed certificate for those names, and its key, both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tollkeeper test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM), secret


async def test_tls_trusts_the_given_authority_and_no_other(tmp_path: Path) -> None:
    public, secret = certificate([x509.IPAddress(ip_address("127.0.0.1"))])
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(public)
    credentials = grpc.ssl_server_credentials([(secret, public)])

    with answering(failing_first(0), credentials) as (address, handler):
        with Client(address, ca_file=ca_file) as client:
            assert client.projects.get("prj_1").name == "demo"
        async with AsyncClient(address, ca_file=str(ca_file)) as async_client:
            assert (await async_client.projects.get("prj_1")).name == "demo"
        with (
            Client(address, tls=True, management_token="secret") as client,
            pytest.raises(Unavailable, match="no gateway answered"),
        ):
            client.projects.get("prj_1")
        with Client(address, tls=False) as client, pytest.raises(Unavailable, match="no gateway answered"):
            client.projects.get("prj_1")
    assert len(handler.methods) == 2
