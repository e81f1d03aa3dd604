"""Authentication: from the headers to a valid token and its project."""

import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from tollkeeper_server.coordination.ports import Unknown
from tollkeeper_server.dataplane.caller import ACTING
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.domain.token import MAX_SECRET_LENGTH, Token, digest_secret
from tollkeeper_server.errors import Reason, StoreUnavailableError, TollkeeperError
from tollkeeper_server.providers.registry import KEY_HEADERS
from tollkeeper_server.snapshot.compile import CompileError
from tollkeeper_server.snapshot.model import ProjectView, Snapshot

# The places of other clients' keys, after OpenAI's.
_BARE = tuple(name.encode() for name in KEY_HEADERS if name != "authorization")
_SECRET = re.compile(rb"[ -~]{1,%d}" % MAX_SECRET_LENGTH)
_INVALID = (
    "the token is not valid: it is unknown, revoked or expired; "
    "present a Tollkeeper token as `Authorization: Bearer sk-tk-…`"
)


class TokenLookup(Protocol):
    """Tokens by digest (coordination/tokens.py)."""

    def peek(self, digest: str) -> Token | Unknown | None:
        """Return what this process knows, at once; None if it must ask."""

    async def find(self, digest: str, address: str | None) -> Token | None:
        """Ask the other processes and the store, for a caller at an address.

        Raises `StoreUnavailableError` if neither answers, OVERLOADED if the address asks too much.
        """


class Identity(Struct, frozen=True, gc=False):
    """Who calls: an active token, and its project."""

    token: Token
    project: ProjectView


class Authenticator:
    """Finds the token that a request presents, and decides whether it is valid."""

    def __init__(
        self,
        tokens: TokenLookup,
        digest_key: bytes,
        by_id: Callable[[str], Awaitable[Token | None]],
        reload: Callable[[], Awaitable[Snapshot]],
        clock: Callable[[], datetime],
    ) -> None:
        """`by_id` returns a token by its id, as it is stored."""
        self._tokens = tokens
        self._digest_key = digest_key
        self._by_id = by_id
        self._reload = reload
        self._clock = clock

    async def authenticate(self, exchange: Exchange) -> Identity:
        """Return who calls, and record it on the exchange.

        Raises INVALID_API_KEY, PROJECT_INACTIVE, STORE_UNAVAILABLE if the store can't be asked, or OVERLOADED
        if the caller's address has too many other tokens looked up.
        """
        if ACTING in exchange.scope:
            return await self.accept_id(exchange, exchange.scope[ACTING])
        digest = digest_secret(presented(exchange.headers), self._digest_key)
        known = self._tokens.peek(digest)
        token = known if known is not None else await self._tokens.find(digest, _address(exchange))
        if token is None or isinstance(token, Unknown):
            raise TollkeeperError(Reason.INVALID_API_KEY, _INVALID)
        return await self.accept(exchange, token)

    async def accept_id(self, exchange: Exchange, token_id: str) -> Identity:
        """Return the caller whose token has an id, and record it. Raises as `authenticate` does."""
        token = await self._by_id(token_id)
        if token is None:
            raise TollkeeperError(Reason.INVALID_API_KEY, f"there is no token {token_id!r}", field="token")
        return await self.accept(exchange, token)

    async def accept(self, exchange: Exchange, token: Token) -> Identity:
        """Return the caller whose token was found, and record it. Raises as `authenticate` does."""
        if not token.is_active or (token.expires_at is not None and token.expires_at <= self._clock()):
            raise TollkeeperError(Reason.INVALID_API_KEY, _INVALID)
        project = exchange.snapshot.projects.get(token.project_id)
        if project is None:
            project = await self._project_elsewhere(exchange, token)
        # Recorded before the project's state is looked at, so that refusals are on record.
        exchange.token_id = token_id = token.id
        exchange.project_id = project.id
        turns = exchange.turns
        if turns is not None:
            turns.under_way += 1
            if token_id != turns.only:
                turns.join(token_id)
        if not project.is_active:
            raise TollkeeperError(
                Reason.PROJECT_INACTIVE,
                "the token's project is inactive; have an administrator activate it",
            )
        caller = exchange.caller
        if caller is not None and not caller.is_known:
            caller.show()
        return Identity(token, project)

    async def _project_elsewhere(self, exchange: Exchange, token: Token) -> ProjectView:
        """Return a project that another process made a moment ago: its token was found, so it exists."""
        try:
            exchange.snapshot = await self._reload()
        except CompileError as error:
            raise StoreUnavailableError("the configuration") from error
        project = exchange.snapshot.projects.get(token.project_id)
        if project is None:
            raise StoreUnavailableError("the configuration")
        return project


def _address(exchange: Exchange) -> str | None:
    client = exchange.scope.get("client")
    return client[0] if client else None


def presented(headers: dict[bytes, bytes]) -> bytes:
    """Return the secret that the headers present.

    Raises INVALID_API_KEY, and never shows what was presented.
    """
    authorization = headers.get(b"authorization")
    secret = b""
    if authorization is not None:
        if authorization.startswith(b"Bearer "):  # as nearly all spell it
            secret = authorization[7:].strip()
        else:
            scheme, blank, value = authorization.strip().partition(b" ")
            if scheme.lower() == b"bearer":
                secret = value.strip()
            elif not blank:  # the bare token, as some clients send it
                secret = scheme
    if not secret:
        for name in _BARE:
            secret = headers.get(name, b"").strip()
            if secret:
                break
    if not secret:
        raise TollkeeperError(
            Reason.INVALID_API_KEY,
            "no token was presented; send it as `Authorization: Bearer sk-tk-…`, "
            f"or in the header {' or '.join(name.decode() for name in _BARE)}",
        )
    if not _SECRET.fullmatch(secret):
        raise TollkeeperError(Reason.INVALID_API_KEY, _INVALID)
    return secret
