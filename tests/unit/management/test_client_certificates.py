"""Client certificates of upstreams: what is taken, what is refused, and where the key is."""

import threading
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from google.protobuf.field_mask_pb2 import FieldMask
from tollkeeper.v1 import upstream_service_pb2 as pb
from tollkeeper_server.domain.connect_failure import ConnectFailure, ConnectReason
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management import upstream_builder
from tollkeeper_server.management.client_certificates import check_client_certificate, expiry_of
from tollkeeper_server.store.sealed import upstream_client_key

from tests.contract.issued import Issued, issue
from tests.unit.management.plane import Plane

AUTHORITY = issue("Authority", ca=True)
ONE = issue("one", by=AUTHORITY)
OTHER = issue("other", by=AUTHORITY)
# The object identifier of RSA with SHA-256 (RFC 8017, A.2.4); that of SHA-1 ends with 5.
_RSA_SHA256 = bytes.fromhex("2a864886f70d01010b")
RENEWED = issue("one", by=AUTHORITY, key=ONE.key, days=(-1, 90))


def _encrypted(shown: Issued) -> str:
    return shown.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"canary"),
    ).decode()


async def _create(plane: Plane, **fields: object) -> pb.Upstream:
    request = pb.CreateUpstreamRequest(name="u", provider=pb.PROVIDER_OPENAI, **fields)  # type: ignore[arg-type]
    return (await plane.call(request, pb.CreateUpstreamResponse)).upstream


async def _update(plane: Plane, *mask: str, **fields: str) -> pb.Upstream:
    paths = FieldMask(paths=list(mask)) if mask else None
    request = pb.UpdateUpstreamRequest(name="u", update_mask=paths, **fields)  # type: ignore[arg-type]
    return (await plane.call(request, pb.UpdateUpstreamResponse)).upstream


async def _stored(plane: Plane) -> Upstream:
    found = await plane.store.configuration.get(Upstream, "u")
    assert found is not None
    return found


async def test_the_key_is_sealed_and_shown_as_a_mask(plane: Plane) -> None:
    made = await _create(plane, client_certificate=ONE.pem, client_key=ONE.key_pem)

    assert (made.client_certificate, made.client_key) == (ONE.pem, "****")
    assert made.client_certificate_expires_at.ToDatetime(UTC) == ONE.certificate.not_valid_after_utc
    stored = await _stored(plane)
    assert stored.client_key is not None
    assert ONE.key_pem not in stored.client_key
    assert plane.sealer.open(stored.client_key, upstream_client_key("u")) == ONE.key_pem


async def test_a_certificate_that_is_renewed_may_keep_its_key(plane: Plane) -> None:
    await _create(plane, client_certificate=ONE.pem, client_key=ONE.key_pem)
    before = await _stored(plane)

    assert (await _update(plane, client_certificate=RENEWED.pem)).client_certificate == RENEWED.pem
    assert (await _stored(plane)).client_key == before.client_key


async def test_a_certificate_is_taken_away_with_its_key(plane: Plane) -> None:
    await _create(plane, client_certificate=ONE.pem, client_key=ONE.key_pem)

    gone = await _update(plane, client_certificate="")
    assert (gone.client_certificate, gone.client_key) == ("", "")
    assert not gone.HasField("client_certificate_expires_at")
    assert (await _stored(plane)).client_key is None


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"client_certificate": OTHER.pem}, "client_key"),
        ({"client_key": OTHER.key_pem}, "client_key"),
        ({"client_key": ""}, "client_certificate"),
        ({"client_key": "****"}, "client_key"),
        ({"client_certificate": "", "client_key": ONE.key_pem}, "client_key"),
    ],
)
async def test_what_does_not_belong_together_is_refused(
    plane: Plane, fields: dict[str, str], field: str
) -> None:
    await _create(plane, client_certificate=ONE.pem, client_key=ONE.key_pem)
    before = await _stored(plane)
    with pytest.raises(TollkeeperError) as caught:
        await _update(plane, **fields)

    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, field)
    assert await _stored(plane) == before


@pytest.mark.parametrize(
    ("certificate", "key", "field"),
    [
        ("", ONE.key_pem, "client_key"),
        (ONE.pem, "", "client_certificate"),
        ("canary", ONE.key_pem, "client_certificate"),
        (ONE.pem + "\u00e9", ONE.key_pem, "client_certificate"),
        (ONE.key_pem + ONE.pem, ONE.key_pem, "client_certificate"),
        (AUTHORITY.pem + ONE.pem, ONE.key_pem, "client_key"),
        (ONE.pem, "canary", "client_key"),
        (ONE.pem, ONE.pem, "client_key"),
        (ONE.pem, _encrypted(ONE), "client_key"),
    ],
    ids=["alone", "no key", "nonsense", "not ASCII", "a key", "order", "no PEM", "no key in it", "encrypted"],
)  # fmt: skip
async def test_what_tls_could_not_use_is_refused(
    plane: Plane, certificate: str, key: str, field: str
) -> None:
    with pytest.raises(TollkeeperError) as caught:
        await _create(plane, client_certificate=certificate, client_key=key)

    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, field)
    for secret in ("canary", ONE.key_pem.splitlines()[1]):
        assert secret not in caught.value.message


def test_a_weak_key_is_refused_as_tls_would() -> None:
    weak = issue("weak", key=rsa.generate_private_key(65537, 1024))  # noqa: S505 - that is the point
    with pytest.raises(TollkeeperError, match="1024 bits"):
        check_client_certificate(weak.pem, weak.key_pem)


def _by_sha1(shown: Issued) -> str:
    """Return a certificate that says that RSA and SHA-1 have signed it, for nobody signs so any more."""
    der = shown.certificate.public_bytes(serialization.Encoding.DER)
    assert der.count(_RSA_SHA256) == 2
    old = x509.load_der_x509_certificate(der.replace(_RSA_SHA256, _RSA_SHA256[:-1] + b"\x05"))
    return old.public_bytes(serialization.Encoding.PEM).decode()


def test_a_weak_digest_is_refused_as_tls_would() -> None:
    authority = issue("By RSA", ca=True, key=rsa.generate_private_key(65537, 2048))
    leaf, middle = issue("leaf", by=authority), issue("middle", ca=True, by=authority)
    for certificates in (_by_sha1(leaf), leaf.pem + _by_sha1(middle)):
        with pytest.raises(TollkeeperError, match="SHA-1") as caught:
            check_client_certificate(certificates, leaf.key_pem)
        assert caught.value.field == "client_certificate"


def test_a_weak_curve_is_refused_as_tls_would() -> None:
    weak = issue("weak", by=AUTHORITY, key=ec.generate_private_key(ec.SECP192R1()))
    with pytest.raises(TollkeeperError, match="too short"):
        check_client_certificate(weak.pem, weak.key_pem)


async def test_keys_and_authorities_are_checked_beside_the_loop(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[threading.Thread] = []
    for name in ("check_client_certificate", "check_ca_certificates"):
        monkeypatch.setattr(upstream_builder, name, lambda *_: seen.append(threading.current_thread()))
    await _create(plane, client_certificate=ONE.pem, client_key=ONE.key_pem, ca_certificates=AUTHORITY.pem)
    await _update(plane, ca_certificates=OTHER.pem)
    await _update(plane, client_key=OTHER.key_pem)

    assert len(seen) == 4
    assert threading.main_thread() not in seen


async def test_authorities_that_stay_are_not_checked_again(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _create(plane, ca_certificates=AUTHORITY.pem)
    checked: list[str] = []
    monkeypatch.setattr(upstream_builder, "check_ca_certificates", checked.append)
    await _update(plane, organization="o")

    assert checked == []


@pytest.mark.parametrize("bits", [2048, 3072])
def test_rsa_keys_are_taken(bits: int) -> None:
    good = issue("good", key=rsa.generate_private_key(65537, bits))
    check_client_certificate(good.pem, good.key_pem)


def test_a_chain_expires_with_the_first_of_it() -> None:
    short = issue("short", ca=True, days=(-9, 3))
    leaf = issue("leaf", by=short, days=(-1, 30))
    assert expiry_of(leaf.pem + short.pem) == short.certificate.not_valid_after_utc


async def test_authorities_alone_need_authorities(plane: Plane) -> None:
    with pytest.raises(TollkeeperError) as caught:
        await _create(plane, ca_only=True)
    assert caught.value.field == "ca_only"

    assert (await _create(plane, ca_certificates=AUTHORITY.pem, ca_only=True)).ca_only
    assert not (await _update(plane, "ca_certificates")).ca_only


async def test_half_a_megabyte_of_authorities_is_taken(plane: Plane) -> None:
    many = AUTHORITY.pem * (520_000 // len(AUTHORITY.pem))
    assert (await _create(plane, ca_certificates=many)).ca_certificates == many


async def test_the_latest_failed_connection_is_shown(plane: Plane) -> None:
    assert not (await _create(plane)).HasField("connect_failure")
    plane.connect_failures["u"] = ConnectFailure(
        reason=ConnectReason.CERTIFICATE_EXPIRED,
        at_proxy=True,
        detail="why",
        failed_at=datetime(2026, 1, 2, tzinfo=UTC),
    )
    answer = await plane.call(pb.GetUpstreamRequest(name="u"), pb.GetUpstreamResponse)
    shown = answer.upstream.connect_failure
    assert (shown.reason, shown.at_proxy) == (pb.CONNECT_REASON_CERTIFICATE_EXPIRED, True)
    assert (shown.detail, shown.is_over) == ("why", False)
    assert shown.failed_at.ToDatetime(UTC) == datetime(2026, 1, 2, tzinfo=UTC)
