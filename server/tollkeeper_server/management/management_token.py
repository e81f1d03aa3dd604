"""The management token: whether it is what a caller presents."""

import hashlib
import hmac
from collections.abc import Mapping

from tollkeeper_server.errors import Reason, TollkeeperError

_SCHEME = "bearer"


class ManagementToken:
    """The token of this process's settings, of which only a digest is kept."""

    __slots__ = ("_digest",)

    def __init__(self, token: str) -> None:
        self._digest = _digest(token)

    def check(self, presented: str) -> None:
        """Raise INVALID_API_KEY unless that is the token; it takes as long for every text of one length."""
        if not hmac.compare_digest(_digest(presented), self._digest):
            raise TollkeeperError(
                Reason.INVALID_API_KEY,
                "this is not the management token; it is the server's TOLLKEEPER_MANAGEMENT_TOKEN",
            )


def bearer_of(metadata: Mapping[str, str]) -> str | None:
    """Return the token that a call presents, None if it presents none."""
    scheme, blank, token = metadata.get("authorization", "").strip().partition(" ")
    if scheme.lower() == _SCHEME:
        return token.strip() or None
    return None if blank else scheme or None  # the bare token, as some clients send it


def _digest(token: str) -> bytes:
    # Digests have one length, so that comparing them takes the same time for every token.
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
