"""Certificates and keys are served in the forms that people have them, or refused with the reason."""

import asyncio
import os
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes as Private
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from tollkeeper_server.doors.grpc import GrpcListener
from tollkeeper_server.doors.grpc_callers import GrpcCallers
from tollkeeper_server.doors.sockets import bind
from tollkeeper_server.doors.tls import HTTP2, Certificate, ServedCertificate
from tollkeeper_server.process.certificate import CertificateError, load_certificate
from tollkeeper_server.settings import Settings
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.unit.management.plane import Plane

DAY = timedelta(days=1)
PARAMETERS = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"


def signed(name: str, key: Private, issuer: str, issuer_key: Private, days: int = 90) -> bytes:
    """Return a certificate, PEM, that is good for some days."""
    without_digest = isinstance(issuer_key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 100 * DAY)
        .not_valid_after(now + days * DAY)
        .add_extension(x509.BasicConstraints(ca=name != "localhost", path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(issuer_key, None if without_digest else hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


def text_of(key: Private, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return key.private_bytes(Encoding.PEM, form, NoEncryption())


ROOT, ISSUER, KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
ROOT_TEXT = signed("root", ROOT, "root", ROOT)
ISSUER_TEXT = signed("issuer", ISSUER, "root", ROOT)
OWN_TEXT = signed("localhost", KEY, "issuer", ISSUER)
KEY_TEXT = text_of(KEY)


def load(folder: Path, chain: bytes, key: bytes) -> Certificate:
    certificate, private = folder / "tls.crt", folder / "tls.key"
    certificate.write_bytes(chain)
    private.write_bytes(key)
    return load_certificate(Settings(tls_cert=certificate, tls_key=private))[1]


async def accepts_grpc(folder: Path, certificate: Certificate) -> bool:
    """Return whether a caller of the gRPC port with this certificate, who trusts the root, is answered."""
    tls = ServedCertificate(certificate).context(HTTP2)
    callers = GrpcCallers(bind("127.0.0.1:0", "gRPC listener", "TEST"), tls=tls)
    chain = Plane(SqliteStore(folder / "store.db")).chain()
    listener = GrpcListener(chain, callers, data_dir=folder)
    await listener.start()
    try:
        port = listener.address.rpartition(":")[2]
        credentials = grpc.ssl_channel_credentials(ROOT_TEXT)
        async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
            state = channel.get_state(try_to_connect=True)
            while state not in {grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.TRANSIENT_FAILURE}:
                await asyncio.wait_for(channel.wait_for_state_change(state), 20)
                state = channel.get_state()
            return state is grpc.ChannelConnectivity.READY
    finally:
        await listener.close()


@pytest.mark.parametrize(
    ("chain", "key"),
    [
        (OWN_TEXT + ISSUER_TEXT, KEY_TEXT),
        (OWN_TEXT + ROOT_TEXT + ISSUER_TEXT, KEY_TEXT),
        (b"\xef\xbb\xbf" + OWN_TEXT + ISSUER_TEXT, b"\xef\xbb\xbf" + KEY_TEXT),
        ((OWN_TEXT + ISSUER_TEXT).replace(b"\n", b"\r\n"), KEY_TEXT.replace(b"\n", b"\r\n")),
        (OWN_TEXT.rstrip() + ISSUER_TEXT.rstrip(), KEY_TEXT.rstrip()),
        (KEY_TEXT + OWN_TEXT + ISSUER_TEXT, OWN_TEXT + KEY_TEXT),
        ("Subject: Zürich\n".encode() + OWN_TEXT + b"issuer:\n" + ISSUER_TEXT, b"the key:\n" + KEY_TEXT),
        (OWN_TEXT + ISSUER_TEXT, PARAMETERS + text_of(KEY, PrivateFormat.TraditionalOpenSSL)),
    ],
    ids=["usual", "root", "byte order mark", "crlf", "joined", "one file", "comments", "parameters"],
)
async def test_a_pair_is_served_however_it_was_written(tmp_path: Path, chain: bytes, key: bytes) -> None:
    assert await accepts_grpc(tmp_path, load(tmp_path, chain, key))


@pytest.mark.parametrize(
    ("chain", "key", "told"),
    [
        (ISSUER_TEXT + OWN_TEXT, KEY_TEXT, "tls_cert: .* must begin with the key's own certificate"),
        (ISSUER_TEXT, KEY_TEXT, "tls_key: .* does not belong to the certificate"),
        (OWN_TEXT + ISSUER_TEXT[:200], KEY_TEXT, "tls_cert: .* ends in the middle"),
        (OWN_TEXT + ISSUER_TEXT, KEY_TEXT[:100], "tls_key: .* ends in the middle"),
        (KEY_TEXT, OWN_TEXT, "tls_cert: there is no certificate in"),
        (OWN_TEXT[:90] + b"!" + OWN_TEXT[90:], KEY_TEXT, "tls_cert: .* can't be read as certificates"),
    ],
    ids=["order", "other", "cut chain", "cut key", "swapped", "damaged"],
)
def test_what_can_not_be_served_is_told_with_its_file(
    tmp_path: Path, chain: bytes, key: bytes, told: str
) -> None:
    with pytest.raises(CertificateError, match=told):
        load(tmp_path, chain, key)


def test_a_short_key_is_told(tmp_path: Path) -> None:
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505 - a short one is what is tried
    with pytest.raises(CertificateError, match="its key is too short"):
        load(tmp_path, signed("localhost", short, "issuer", ISSUER), text_of(short))


_UNCOMMON: list[tuple[str, Callable[[], Private]]] = [
    ("Ed25519", ed25519.Ed25519PrivateKey.generate),
    ("secp521r1", lambda: ec.generate_private_key(ec.SECP521R1())),
    ("Ed448", ed448.Ed448PrivateKey.generate),
    ("secp256k1", lambda: ec.generate_private_key(ec.SECP256K1())),
]


@pytest.mark.parametrize(("kind", "make"), _UNCOMMON)
def test_a_key_that_many_callers_refuse_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str, make: Callable[[], Private]
) -> None:
    key = make()
    load(tmp_path, signed("localhost", key, "issuer", ISSUER), text_of(key))
    assert f"refuse keys of the kind {kind}; RSA, P-256 and P-384" in caplog.text


async def test_a_key_is_served_to_callers_who_take_it(tmp_path: Path) -> None:
    """OpenSSL's callers take Ed448; those of gRPC's library do not."""
    key = ed448.Ed448PrivateKey.generate()
    found = load(tmp_path, signed("localhost", key, "issuer", ISSUER) + ISSUER_TEXT, text_of(key))
    server = await asyncio.start_server(_close, "127.0.0.1", 0, ssl=ServedCertificate(found).context(HTTP2))
    async with server:
        trusting = ssl.create_default_context(cadata=ROOT_TEXT.decode("ascii"))
        address = server.sockets[0].getsockname()[:2]
        _, writer = await asyncio.open_connection(*address, ssl=trusting, server_hostname="localhost")
        writer.close()
        await writer.wait_closed()
    assert not await accepts_grpc(tmp_path, found)


async def _close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.mark.parametrize("days", [-1, 5])
def test_the_end_is_that_of_the_first_in_the_chain_to_end(tmp_path: Path, days: int) -> None:
    found = load(tmp_path, OWN_TEXT + signed("issuer", ISSUER, "root", ROOT, days), KEY_TEXT)
    assert abs(found.not_after - datetime.now(UTC) - days * DAY) < DAY / 24


def test_a_pair_may_come_from_pipes(tmp_path: Path) -> None:
    """As `--tls-key <(…)` of a shell: what was read is not there a second time."""
    texts = OWN_TEXT + ISSUER_TEXT, KEY_TEXT
    ends = []
    for text in texts:
        reading, writing = os.pipe()
        os.write(writing, text)
        os.close(writing)
        ends.append(reading)
    certificate, key = (Path(f"/dev/fd/{end}") for end in ends)
    try:
        found = load_certificate(Settings(tls_cert=certificate, tls_key=key))[1]
    finally:
        for end in ends:
            os.close(end)
    assert (found.chain, found.key) == texts
