"""Whom to trust, and what to ask for, when an upstream is spoken to through TLS."""

import ssl
from pathlib import Path


def client_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """Returns a context that trusts the system's authorities or, if given, only those in `ca_file`.

    Certificates and host names are verified. Raises OSError (`ssl.SSLError` is one) if the file can't
    be used.
    """
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context
