"""Sessions: people who have signed in to the console, and the secrets that their browsers hold."""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from msgspec import Struct

IDLE = timedelta(hours=8)
"""A session that nobody uses for so long ends."""
LONGEST = timedelta(hours=24)
"""A session ends so long after its beginning, however much it is used."""
ROTATED = timedelta(minutes=15)
"""A secret that was given out so long ago is replaced when it is used."""
OVERLAP = timedelta(minutes=1)
"""So long the secret before still counts once the new one is used: for requests that are under way."""
NOTED = timedelta(minutes=1)
"""`last_used_at` is true to within this time."""
LONGEST_USER_AGENT = 200
MOST = 1_000
"""So many sessions are kept, of all management tokens; one more ends the one that was used least recently."""

_SECRET_BYTES = 32
_TAG_BYTES = 16


class Session(Struct, frozen=True, kw_only=True):
    """Somebody who has signed in. Of the secrets only digests are stored (`SessionSecrets`).

    `digest` is that of the secret in use, `next_digest` of the one that replaces it, `previous_digest` of the
    one before, which counts until `previous_until`; there is none at first. `rotated_at` is when the one in
    use came into use. `token_mark` tells which management token it began with.
    """

    id: str
    digest: str
    next_digest: str
    previous_digest: str = ""
    previous_until: datetime | None = None
    rotated_at: datetime
    token_mark: str
    created_at: datetime
    last_used_at: datetime
    address: str = ""
    user_agent: str = ""

    @property
    def idle_expires_at(self) -> datetime:
        """When it ends unless it is used."""
        return min(self.last_used_at + IDLE, self.absolute_expires_at)

    @property
    def absolute_expires_at(self) -> datetime:
        """When it ends at the latest."""
        return self.created_at + LONGEST


class SessionSecrets:
    """Makes the secrets of sessions, and what is stored of them.

    A secret is 32 random bytes and a tag, which shows without a look-up that it was made under the key. The
    one that replaces it follows from it and the key. So every process gives the same one to requests that
    come at once, and gives it again to a browser that has not received it; and nobody has it who has only
    seen the one before.
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        """Take the key that all processes of a store share."""
        self._key = key

    def new(self) -> str:
        """Return a new secret: 64 letters, digits, `-` and `_`."""
        return self._text(secrets.token_bytes(_SECRET_BYTES))

    def is_genuine(self, secret: str) -> bool:
        """Return whether a text is a secret that was made under the key."""
        raw = _raw(secret)
        return raw is not None and hmac.compare_digest(self._text(raw).encode(), secret.encode())

    def following(self, secret: str) -> str:
        """Return the secret that replaces a genuine one."""
        raw = _raw(secret)
        assert raw is not None, "only genuine secrets are replaced"
        return self._text(self._keyed("following", raw))

    def digest_of(self, secret: str) -> str:
        """Return what is stored of a secret: 64 hexadecimal digits."""
        return self._keyed("digest", secret.encode()).hex()

    def mark_of(self, management_token: str) -> str:
        """Return what tells sessions of one management token from those of another: 64 hexadecimal digits."""
        return self._keyed("management token", management_token.encode("utf-8", "surrogateescape")).hex()

    def _text(self, raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw + self._keyed("tag", raw)[:_TAG_BYTES]).decode()

    def _keyed(self, purpose: str, content: bytes) -> bytes:
        return hmac.digest(self._key, b"session %b\0%b" % (purpose.encode(), content), hashlib.sha256)


def _raw(secret: str) -> bytes | None:
    """Return the random bytes of a text that may be a secret, None if it has another form."""
    if len(secret) != (_SECRET_BYTES + _TAG_BYTES) * 4 // 3 or not secret.isascii():
        return None
    try:
        return base64.b64decode(secret, altchars=b"-_", validate=True)[:_SECRET_BYTES]
    except ValueError:
        return None


def shortened(user_agent: str) -> str:
    """Return what is kept of a browser's name for itself: the beginning, and nothing unprintable."""
    return "".join(it for it in user_agent if it.isprintable())[:LONGEST_USER_AGENT].strip()
