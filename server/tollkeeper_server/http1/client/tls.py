"""TLS toward upstreams: which authorities are trusted, who this side is, and sessions that are resumed."""

import asyncio
import ssl
import time
from collections import OrderedDict

from tollkeeper_server.domain.connect_failure import ConnectReason
from tollkeeper_server.http1.client.failure import HandshakeError, connect_error
from tollkeeper_server.pem import as_file
from tollkeeper_server.snapshot.model import Dial

SESSION_SECONDS = 3600.0
"""How long sessions are resumed after a certificate was verified: resuming one does not verify it again."""
_MAX_SESSIONS = 1000


class _Handshake(ssl.SSLObject):
    """Raises `HandshakeError` for a handshake that fails, with what the peer had sent."""

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLSyscallError):
            raise
        except ssl.SSLError as error:
            raise HandshakeError(error, _sent_chain(self)) from error


class ClientContext(ssl.SSLContext):
    """Verifies certificates and host names, and resumes the sessions that were remembered."""

    sslobject_class = _Handshake

    def __init__(self, _protocol: int) -> None:
        super().__init__()
        self._sessions: OrderedDict[str, tuple[ssl.SSLSession, float]] = OrderedDict()
        self.has_certificate = False
        """Whether this side has a certificate to show."""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Begin TLS, as loops do; with a session that the host has given, if there is one."""
        if session is None and isinstance(server_hostname, str):
            session = self._session_of(server_hostname)
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)

    def remember(self, secured: ssl.SSLObject) -> None:
        """Keep the session of a connection of this context, once its peer has answered, to resume it."""
        session, host = secured.session, secured.server_hostname
        # A session of TLS 1.3 is its ticket.
        if session is None or host is None or not (session.has_ticket or secured.version() != "TLSv1.3"):
            return
        verified_at = time.monotonic()
        if secured.session_reused:
            kept = self._sessions.get(host)
            if kept is None:
                return
            verified_at = kept[1]
        self._sessions[host] = session, verified_at
        self._sessions.move_to_end(host)
        if len(self._sessions) > _MAX_SESSIONS:
            self._sessions.popitem(last=False)

    def _session_of(self, host: str) -> ssl.SSLSession | None:
        kept = self._sessions.get(host)
        if kept is None:
            return None
        session, verified_at = kept
        if time.monotonic() - verified_at < SESSION_SECONDS:
            return session
        del self._sessions[host]
        return None


def client_context(
    ca_certificates: str = "", *, ca_only: bool = False, certificate: str = "", key: str = ""
) -> ClientContext:
    """Return a context that trusts the system's authorities and those given as PEM text, or the latter alone.

    With a certificate and its key, both PEM, this side shows it to servers that ask. Raises ValueError if a
    text can't be used.
    """
    context = ClientContext(ssl.PROTOCOL_TLS_CLIENT)
    context.hostname_checks_common_name = False  # RFC 9110, 4.3.4
    if ca_certificates:
        try:
            with as_file(ca_certificates) as path:
                context.load_verify_locations(cafile=path)
        except (ssl.SSLError, UnicodeError):
            raise ValueError("the upstream's ca_certificates are not certificates in PEM") from None
    if not ca_only:
        context.load_default_certs()
    if certificate:
        try:
            with as_file(f"{certificate}\n{key}") as path:
                context.load_cert_chain(path, password=_no_password)
            context.has_certificate = True
        except (ssl.SSLError, UnicodeError, ValueError):
            raise ValueError("the upstream's client_certificate can't be used with its client_key") from None
    context.set_alpn_protocols(["http/1.1"])
    return context


class DialContexts:
    """The contexts of a dial, made when first wanted, in a thread: reading authorities takes time."""

    def __init__(self, default: ssl.SSLContext, dial: Dial) -> None:
        self._dial = dial
        self._own = default if not (dial.ca_certificates or dial.client_certificate) else None
        self._to_proxy = default if not dial.ca_certificates else None
        self._lock = asyncio.Lock()
        self.has_certificate = bool(dial.client_certificate)

    async def of_upstream(self) -> ssl.SSLContext:
        """Return the context for the upstream. Raises `ConnectError` if the dial's texts can't be used."""
        if self._own is None:
            async with self._lock:
                if self._own is None:
                    dial = self._dial
                    self._own = await self._make(certificate=dial.client_certificate, key=dial.client_key)
        return self._own

    async def of_proxy(self) -> ssl.SSLContext:
        """Return the context for an outbound proxy, which has no client certificate. Raises as above."""
        if self._to_proxy is None:
            async with self._lock:
                if self._to_proxy is None:
                    self._to_proxy = await self._make()
        return self._to_proxy

    async def _make(self, *, certificate: str = "", key: str = "") -> ssl.SSLContext:
        dial = self._dial
        try:
            return await asyncio.to_thread(
                client_context, dial.ca_certificates, ca_only=dial.ca_only, certificate=certificate, key=key
            )
        except ValueError as error:
            raise connect_error(ConnectReason.SETTINGS, words=str(error)) from None


def _no_password() -> str:
    raise ValueError("the key is encrypted")  # OpenSSL would ask on the terminal


def _sent_chain(secured: ssl.SSLObject) -> list[bytes]:
    """Return the certificates (DER) that a peer has sent, also before they are verified."""
    public = getattr(secured, "get_unverified_chain", None)  # from Python 3.13 on
    if public is not None:
        return list(public() or ())
    found = getattr(secured, "_sslobj", None)
    chain = found.get_unverified_chain() if found is not None else None
    return [ssl.PEM_cert_to_DER_cert(it.public_bytes()) for it in chain or ()]
