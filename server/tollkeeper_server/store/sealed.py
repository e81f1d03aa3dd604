"""Secrets at rest: AES-256-GCM under keys with ids, so that keys can be rotated.

A sealed text reads `enc:v1:<key id>:<base64url of nonce and ciphertext>`. The context (which entity,
which field) is authenticated with it: a sealed secret moved elsewhere does not open.

All contexts are defined here. Their texts never change: a secret opens only in the one it was sealed for.
"""

import base64
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tollkeeper_server.domain.configuration import Entity
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.upstream import Upstream

_SCHEME = "enc:v1"
_NONCE = 12
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Context:
    """The place of a sealed secret. `text` is authenticated with the secret; messages show `name`."""

    text: str
    name: str


DIGEST_KEY = Context("digest_key", "the key of token digests")


def upstream_api_key(name: str) -> Context:
    """Return the context of an upstream's `api_key`."""
    return Context(f"upstream:{name}:api_key", f"the api_key of upstream {name}")


def upstream_proxy_url(name: str) -> Context:
    """Return the context of an upstream's `proxy_url`."""
    return Context(f"upstream:{name}:proxy_url", f"the proxy_url of upstream {name}")


def upstream_client_key(name: str) -> Context:
    """Return the context of an upstream's `client_key`."""
    return Context(f"upstream:{name}:client_key", f"the client_key of upstream {name}")


def project_api_key(project_id: str) -> Context:
    """Return the context of a project's `api_key`."""
    return Context(f"project:{project_id}:api_key", f"the api_key of project {project_id}")


FIELDS: dict[type[Entity], dict[str, Callable[[str], Context]]] = {
    Project: {"api_key": project_api_key},
    Upstream: {
        "api_key": upstream_api_key,
        "proxy_url": upstream_proxy_url,
        "client_key": upstream_client_key,
    },
}
"""The sealed fields of entities; each context is made of an entity's id or name."""
NAMED = {"digest_key": DIGEST_KEY}
"""The secrets that a store keeps by name (`ports.SecretStore`)."""


class UnsealError(Exception):
    """A sealed text can't be opened; the message says why, and contains no secret."""


def new_key() -> str:
    """Return a new key as settings hold it: base64 of 32 random bytes."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


class Sealer:
    """Seals with the first of its keys, whose id is `key_id`, and opens with any of them."""

    def __init__(self, keys: str) -> None:
        """Take base64 keys of 32 bytes, separated by commas, the one to seal with first.

        Raises ValueError if one is malformed; the message does not show it.
        """
        self._ciphers: dict[str, AESGCM] = {}
        for position, text in enumerate(keys.split(","), start=1):
            try:
                key = base64.b64decode(text.strip().translate(_URLSAFE), validate=True)
            except ValueError:
                key = b""
            if len(key) != KEY_BYTES:
                raise ValueError(
                    f"encryption key {position} is not base64 of {KEY_BYTES} bytes; "
                    "make one with: openssl rand -base64 32"
                )
            self._ciphers.setdefault(hashlib.sha256(key).hexdigest()[:8], AESGCM(key))
        self.key_id = next(iter(self._ciphers))

    def seal(self, secret: str, context: Context) -> str:
        """Return `secret` sealed for `context`."""
        nonce = secrets.token_bytes(_NONCE)
        sealed = self._ciphers[self.key_id].encrypt(nonce, secret.encode(), context.text.encode())
        encoded = base64.urlsafe_b64encode(nonce + sealed).decode()
        return f"{_SCHEME}:{self.key_id}:{encoded}"

    def is_first(self, sealed: str) -> bool:
        """Return whether the first key has sealed the secret."""
        return sealed.startswith(f"{_SCHEME}:{self.key_id}:")

    def open(self, sealed: str, context: Context) -> str:
        """Return the secret. Raises `UnsealError` if it is damaged, misplaced, or its key is missing."""
        scheme, _, rest = sealed.rpartition(":")[0].rpartition(":")
        if scheme != _SCHEME:
            raise UnsealError("a stored secret is not in a form this version can read")
        cipher = self._ciphers.get(rest)
        if cipher is None:
            raise UnsealError(
                f"a stored secret was sealed with key {rest}, which is not among the encryption "
                "keys; add that key to TOLLKEEPER_ENCRYPTION_KEY, after a comma, or use another store or "
                "data_dir"
            )
        try:
            raw = base64.urlsafe_b64decode(sealed.rpartition(":")[2])
            return cipher.decrypt(raw[:_NONCE], raw[_NONCE:], context.text.encode()).decode()
        except (ValueError, InvalidTag) as error:
            raise UnsealError("a stored secret is damaged or not where it was put") from error


_URLSAFE = str.maketrans("-_", "+/")
