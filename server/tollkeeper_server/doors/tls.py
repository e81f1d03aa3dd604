"""TLS toward callers: one certificate for the ports of a process, which is replaced while they serve."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

HTTP2 = ("h2", "http/1.1")
HTTP1 = ("http/1.1",)
_PROTOCOLS = (HTTP2, HTTP1)
# RFC 9113, 9.2.2, forbids the others for HTTP/2. Those of TLS 1.3 are not named here, and all good.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its chain, and its key, which belong together; both are PEM.

    `not_after` is when it expires, or one of its chain. `contexts` are by the protocols that are offered to
    callers (ALPN).
    """

    chain: bytes
    key: bytes = field(repr=False)
    not_before: datetime
    not_after: datetime
    contexts: Mapping[tuple[str, ...], ssl.SSLContext] = field(repr=False, compare=False)


def make_contexts(certificate: Path, key: Path) -> dict[tuple[str, ...], ssl.SSLContext]:
    """Return a context for each list of protocols. Raises OSError, as the module ssl does, if it can't."""
    return {protocols: _context(certificate, key, protocols) for protocols in _PROTOCOLS}


def _context(certificate: Path, key: Path, protocols: tuple[str, ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(list(protocols))
    # A key with a passphrase is an error, and no question at the terminal.
    context.load_cert_chain(certificate, key, password=lambda: b"")
    return context


class ServedCertificate:
    """The certificate of this moment. Connections stay what they are when it is replaced."""

    def __init__(self, certificate: Certificate) -> None:
        self.current = certificate

    def replace(self, certificate: Certificate) -> None:
        """Answer handshakes that begin from here on with another certificate."""
        self.current = certificate

    def context(self, protocols: tuple[str, ...]) -> ssl.SSLContext:
        """Return a context for listeners, each of whose handshakes uses the certificate of its moment.

        `protocols` are `HTTP1` or `HTTP2`.
        """

        def choose(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            # OpenSSL asks in every handshake, also if the caller names no host.
            connection.context = self.current.contexts[protocols]

        context = self.current.contexts[protocols]
        context.sni_callback = choose
        return context
