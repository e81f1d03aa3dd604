"""Tokens: what applications present."""

import hashlib
import secrets
from datetime import datetime
from functools import lru_cache

from msgspec import Struct

SECRET_PREFIX = "sk-tk-"  # noqa: S105 - the public part of every secret
MAX_SECRET_LENGTH = 512
_BLOCK_BYTES = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class Token(Struct, frozen=True, kw_only=True):
    """A token. Its secret is known only as `digest`, 64 hexadecimal digits (`digest_secret`).

    `max_requests` 0 is unlimited; empty `allowed_models` allows all, a trailing `*` any rest.
    `request_count` and `last_used_at` move with traffic and leave `revision` alone.
    """

    id: str
    project_id: str
    name: str = ""
    digest: str
    hint: str
    is_active: bool = True
    expires_at: datetime | None = None
    max_requests: int = 0
    allowed_models: tuple[str, ...] = ()
    created_at: datetime
    updated_at: datetime
    deactivated_at: datetime | None = None
    revision: int = 1
    request_count: int = 0
    last_used_at: datetime | None = None


def new_secret() -> str:
    """Returns a new token secret with 256 random bits."""
    return SECRET_PREFIX + secrets.token_urlsafe(32)


def digest_secret(secret: bytes, key: bytes) -> str:
    """Returns the keyed digest (HMAC-SHA-256) under which a secret is stored and looked up."""
    begun, around = _keyed(key)
    inner, outer = begun.copy(), around.copy()
    inner.update(secret)
    outer.update(inner.digest())
    return outer.hexdigest()


@lru_cache(maxsize=4)
def _keyed(key: bytes) -> tuple["hashlib._Hash", "hashlib._Hash"]:
    """Returns what HMAC goes on with (RFC 2104, 2): the module `hmac` takes twice as long to copy it."""
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK_BYTES else key).ljust(_BLOCK_BYTES, b"\0")
    return hashlib.sha256(block.translate(_INNER)), hashlib.sha256(block.translate(_OUTER))


def mask(secret: str) -> str:
    """Returns what people may see of a secret: enough to recognise it, too little to use it."""
    if len(secret) < 24:
        return "****"
    return f"{secret[:8]}...{secret[-4:]}"
