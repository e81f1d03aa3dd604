"""A certificate is usable, or refused with the reason; the self-signed one is kept and renewed."""

import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tollkeeper_server.process.certificate import CertificateError, CertificateFiles, load_certificate
from tollkeeper_server.process.self_signed import LIFETIME
from tollkeeper_server.settings import Settings, Tls


def self_signed(folder: Path, lifetime: timedelta = LIFETIME) -> tuple[Path, Path]:
    """Return a self-signed certificate kept in a folder."""
    files = CertificateFiles(Settings(data_dir=folder, tls=Tls.SELF_SIGNED))
    files.make(lifetime)
    files.read()
    return files.certificate, files.key


def named(certificate: Path, key: Path) -> tuple[Path, Path]:
    """Return the certificate that the settings name."""
    files, read = load_certificate(Settings(tls_cert=certificate, tls_key=key))
    assert (read.chain, read.key) == (certificate.read_bytes(), key.read_bytes())
    return files.certificate, files.key


def test_a_self_signed_certificate_is_for_this_machine(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path / "data")
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    assert {str(it) for it in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "::1"}
    assert key.stat().st_mode & 0o777 == 0o600
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)


def test_it_is_kept(tmp_path: Path) -> None:
    first = [path.read_bytes() for path in self_signed(tmp_path)]
    assert first == [path.read_bytes() for path in self_signed(tmp_path)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["self-signed.crt", "self-signed.key"]


def test_it_is_renewed_before_it_expires(tmp_path: Path) -> None:
    certificate, _ = self_signed(tmp_path, timedelta(days=29))
    first = certificate.read_bytes()
    self_signed(tmp_path)
    renewed = certificate.read_bytes()
    assert renewed != first
    left = x509.load_pem_x509_certificate(renewed).not_valid_after_utc - datetime.now(UTC)
    assert left > timedelta(days=365)


@pytest.mark.parametrize("damage", ["self-signed.crt", "self-signed.key"])
def test_it_is_made_anew_if_it_was_damaged(tmp_path: Path, damage: str) -> None:
    self_signed(tmp_path)
    (tmp_path / damage).write_text("nonsense")
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*self_signed(tmp_path))


def test_a_given_certificate_is_used_where_it_is(tmp_path: Path) -> None:
    pair = self_signed(tmp_path)
    assert named(*pair) == pair


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    with pytest.raises(CertificateError, match=r"tls_cert: .*absent: No such file"):
        named(tmp_path / "absent", key)
    with pytest.raises(CertificateError, match=r"tls_key: .*absent: No such file"):
        named(certificate, tmp_path / "absent")


def test_what_is_no_pem_is_told(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    nonsense = tmp_path / "nonsense"
    nonsense.write_text("nonsense")
    with pytest.raises(CertificateError, match=r"tls_cert: .*nonsense is not a PEM file"):
        named(nonsense, key)
    nonsense.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(CertificateError, match=r"tls_cert: .*nonsense can't be read"):
        named(nonsense, key)
    with pytest.raises(CertificateError, match=r"tls_cert: there is no certificate in .*self-signed.key"):
        named(key, certificate)
    with pytest.raises(CertificateError, match=r"tls_key: there is no private key in .*self-signed.crt"):
        named(certificate, certificate)


def test_a_key_of_another_certificate_is_told(tmp_path: Path) -> None:
    certificate, _ = self_signed(tmp_path / "a")
    _, key = self_signed(tmp_path / "b")
    with pytest.raises(CertificateError, match="does not belong to the certificate"):
        named(certificate, key)


def test_a_key_of_another_kind_is_told(tmp_path: Path) -> None:
    certificate, _ = self_signed(tmp_path)
    key = tmp_path / "ed25519"
    written = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    key.write_bytes(Ed25519PrivateKey.generate().private_bytes(*written))
    with pytest.raises(CertificateError, match="does not belong to the certificate"):
        named(certificate, key)


def test_a_folder_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CertificateError, match="can't be kept in"):
        self_signed(tmp_path / "file" / "data")


def test_processes_that_make_one_at_the_same_time_have_the_same(tmp_path: Path) -> None:
    threads = [threading.Thread(target=self_signed, args=(tmp_path,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    named(tmp_path / "self-signed.crt", tmp_path / "self-signed.key")


def test_a_key_with_a_passphrase_is_told(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    for form in (serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL):
        sealing = serialization.BestAvailableEncryption(b"canary")
        key.write_bytes(private.private_bytes(serialization.Encoding.PEM, form, sealing))
        with pytest.raises(CertificateError, match="passphrase"):
            named(certificate, key)
