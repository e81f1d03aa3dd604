"""Who is calling: from the headers to an admissible token."""

import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

from tollkeeper_server.coordination.ports import Unknown
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.domain.token import MAX_SECRET_LENGTH, Token, digest_secret
from tollkeeper_server.errors import Reason, StoreUnavailableError, TollkeeperError
from tollkeeper_server.providers.registry import KEY_HEADERS
from tollkeeper_server.snapshot.compile import CompileError
from tollkeeper_server.snapshot.model import Snapshot

# The places of other clients' keys, after OpenAI's.
_BARE = tuple(name.encode() for name in KEY_HEADERS if name != "authorization")
_SECRET = re.compile(rb"[ -~]{1,%d}" % MAX_SECRET_LENGTH)
_INVALID = (
    "the token is not valid: it is unknown, revoked or expired; "
    "present a Tollkeeper token as `Authorization: Bearer sk-tk-…`"
)


class Tokens(Protocol):
    """Tokens by digest (coordination/tokens.py)."""

    def peek(self, digest: str) -> Token | Unknown | None:
        """Returns what is known in this process, at once."""

    async def find(self, digest: str) -> Token | None:
        """Asks whoever knows. Raises `StoreUnavailableError` if nobody does."""


class Authenticator:
    """Finds the token a request presents, and whether it admits it."""

    def __init__(
        self,
        tokens: Tokens,
        digest_key: bytes,
        reload: Callable[[], Awaitable[Snapshot]],
        clock: Callable[[], datetime],
    ) -> None:
        self._tokens = tokens
        self._digest_key = digest_key
        self._reload = reload
        self._clock = clock

    async def authenticate(self, exchange: Exchange) -> Token:
        """Sets the exchange's token and project, and returns the token.

        Raises INVALID_API_KEY, PROJECT_INACTIVE, or STORE_UNAVAILABLE if it can't be told.
        """
        digest = digest_secret(presented(exchange.headers), self._digest_key)
        known = self._tokens.peek(digest)
        token = known if known is not None else await self._tokens.find(digest)
        if token is None or isinstance(token, Unknown):
            raise TollkeeperError(Reason.INVALID_API_KEY, _INVALID)
        if not self.accept(exchange, token):
            await self.accept_elsewhere(exchange, token)
        return token

    def accept(self, exchange: Exchange, token: Token) -> bool:
        """Sets a token that was found, and its project; tells whether the snapshot has that.

        If not, it is for `accept_elsewhere`. Raises as `authenticate` does.
        """
        if not token.is_active:
            raise TollkeeperError(Reason.INVALID_API_KEY, _INVALID)
        if token.expires_at is not None and token.expires_at <= self._clock():
            raise TollkeeperError(Reason.INVALID_API_KEY, _INVALID)
        project = exchange.snapshot.projects.get(token.project_id)
        if project is None:
            return False
        # Set before the project's state is looked at, so that refusals are on record.
        exchange.token = token
        exchange.project = project
        if not project.is_active:
            raise TollkeeperError(
                Reason.PROJECT_INACTIVE,
                "the token's project is inactive; have an administrator activate it",
            )
        return True

    async def accept_elsewhere(self, exchange: Exchange, token: Token) -> None:
        """Does what `accept` does, for a token whose project another process made a moment ago.

        Its token was found, so it exists. Raises as `authenticate` does.
        """
        try:
            exchange.snapshot = await self._reload()
        except CompileError as error:
            raise StoreUnavailableError("the configuration") from error
        if not self.accept(exchange, token):
            raise StoreUnavailableError("the configuration")


def presented(headers: dict[bytes, bytes]) -> bytes:
    """Returns the secret that the headers present.

    Raises INVALID_API_KEY, and never shows what was presented.
    """
    authorization = headers.get(b"authorization")
    secret = b""
    if authorization is not None:
        if authorization.startswith(b"Bearer "):  # as nearly all spell it
            secret = authorization[7:].strip()
        else:
            scheme, _, value = authorization.partition(b" ")
            if scheme.lower() == b"bearer":
                secret = value.strip()
    if not secret:
        for name in _BARE:
            secret = headers.get(name, b"").strip()
            if secret:
                break
    if not secret:
        raise TollkeeperError(
            Reason.INVALID_API_KEY,
            "no token was presented; send it as `Authorization: Bearer sk-tk-…`, "
            "or in the header x-api-key or api-key",
        )
    if not _SECRET.fullmatch(secret):
        raise TollkeeperError(Reason.INVALID_API_KEY, _INVALID)
    return secret
