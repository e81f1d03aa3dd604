"""PEM texts as files: the standard library loads a certificate with its key from files alone."""

import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

_FILES = Path("/proc/self/fd")
_REFUSALS = {
    "CA_MD_TOO_WEAK": "one of its certificates is signed with a digest that is too weak, such as SHA-1",
    "EE_KEY_TOO_SMALL": "its key is too short",
    "CA_KEY_TOO_SMALL": "the key of an intermediate certificate is too short",
    "UNKNOWN_CERTIFICATE_TYPE": "TLS has no use for this kind of key",
}


@contextlib.contextmanager
def as_file(text: str) -> Iterator[str]:
    """Yield the path of a file with a text, in memory where the system has such files.

    Raises UnicodeError if the text is not ASCII, and OSError if there can be no file.
    """
    content = text.encode("ascii")
    if hasattr(os, "memfd_create") and _FILES.is_dir():
        number = os.memfd_create("tollkeeper-tls", os.MFD_CLOEXEC)
        try:
            with open(number, "wb", closefd=False) as file:
                file.write(content)
            yield str(_FILES / str(number))
        finally:
            os.close(number)
    else:
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            yield file.name


def refusal(error: ssl.SSLError) -> str:
    """Return in words why OpenSSL does not take a certificate that can be read."""
    name = error.reason or "no reason"
    return _REFUSALS.get(name, f"OpenSSL says {name}")
