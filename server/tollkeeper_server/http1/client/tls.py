"""TLS toward upstreams: which authorities are trusted, and which protocol is asked for."""

import ssl


def client_context(ca_certificates: str = "") -> ssl.SSLContext:
    """Return a context that trusts the system's authorities or, if given as PEM text, those alone.

    Certificates and host names are verified. Raises ValueError if the text can't be used.
    """
    try:
        context = ssl.create_default_context(cadata=ca_certificates or None)
    except (ssl.SSLError, TypeError):  # the latter if it is not ASCII
        raise ValueError("the upstream's ca_certificates are not certificates in PEM") from None
    context.set_alpn_protocols(["http/1.1"])
    return context
