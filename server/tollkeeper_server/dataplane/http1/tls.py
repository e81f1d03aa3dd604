"""Whom to trust, and what to ask for, when an upstream is spoken to through TLS."""

import ssl


def client_context(ca_certificates: str = "") -> ssl.SSLContext:
    """Returns a context that trusts the system's authorities or, if given as PEM text, those alone.

    Certificates and host names are verified. Raises `ssl.SSLError` or ValueError if the text can't be used.
    """
    # Bundles have comments between certificates, with names in any script.
    data = ca_certificates.encode("ascii", "replace").decode("ascii")
    context = ssl.create_default_context(cadata=data or None)
    context.set_alpn_protocols(["http/1.1"])
    return context
