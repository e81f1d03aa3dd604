"""What a connection asks of its TLS: how it ended, and whether its session can be resumed."""

import ssl

from tollkeeper_server.http1.client.tls import ClientContext


def remember_session(secured: object) -> None:
    """Keep the session of a connection whose peer has answered; see `closed_well` for `secured`."""
    if isinstance(secured, ssl.SSLObject) and isinstance(secured.context, ClientContext):
        secured.context.remember(secured)


def has_certificate(secured: object) -> bool:
    """Return whether this side has a certificate to show the peer; see `closed_well` for `secured`."""
    return (
        isinstance(secured, ssl.SSLObject)
        and isinstance(secured.context, ClientContext)
        and secured.context.has_certificate
    )


def closed_well(secured: object) -> bool:
    """Return whether the peer said that it closes, for a connection of which nothing more is to be read.

    Without the notice (RFC 8446, 6.1) anybody on the way may have cut it. `secured` is the transport's
    `ssl_object`, None for one without TLS. Loops don't tell the two ends apart, but OpenSSL does.
    """
    if not isinstance(secured, ssl.SSLObject):
        return True
    try:
        return not secured.read(1)
    except ssl.SSLZeroReturnError:
        return True
    except OSError:
        return False
