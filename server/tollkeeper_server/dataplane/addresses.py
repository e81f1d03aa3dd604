"""Where upstreams are, which callers do not learn."""

import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from tollkeeper_server.domain.headers import URL_HEADERS
from tollkeeper_server.snapshot.model import Header, Target

WITH_URLS = frozenset(name.encode() for name in URL_HEADERS)
"""The headers of answers whose values are URLs, or have them, as they arrive."""


def host_of(url: str) -> str:
    """Return the host in an upstream's URL as headers have it: lower case, and Punycode beyond ASCII."""
    host = (urlsplit(url).hostname or "").removesuffix(".")
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return host


def names_host(value: str, host: str) -> bool:
    """Return whether a URL, or text around it, names a host, also percent-encoded."""
    pattern = rf"(?<![\w.-]){re.escape(host)}(?![\w-]|\.[\w-])"
    return re.search(pattern, unquote(value), re.IGNORECASE) is not None


def without_address(received: Iterable[Header], target: Target) -> list[Header]:
    """Return the headers of an answer but for those that show where the upstream is.

    Names must be in lower case. URLs elsewhere stay, and so do those that name no host.
    """
    host = host_of(target.base_url or target.full_url)
    return [
        header
        for header in received
        if header[0] not in WITH_URLS or not names_host(header[1].decode("latin-1"), host)
    ]
