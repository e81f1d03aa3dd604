"""The admission of requests whose token has a limit."""

from collections.abc import Callable
from datetime import datetime

from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.usage import Admission
from tollkeeper_server.store.ports import TokenStore


class Admitter:
    """Counts requests in the store, where the limit holds across all processes."""

    def __init__(self, tokens: TokenStore, clock: Callable[[], datetime]) -> None:
        self._tokens = tokens
        self._clock = clock

    async def admit(self, token: Token) -> Admission:
        """Return how a request of a token is admitted that has a limit, as far as this process knows.

        LIMITED if it was counted, UNLIMITED if the limit was lifted meanwhile, NONE if it is reached.
        Raises `StoreUnavailableError` if the store does not answer; then no upstream is called, though the
        request may have been counted.
        """
        if await self._tokens.admit(token.id, at=self._clock()):
            return Admission.LIMITED
        stored = await self._tokens.get(token.id)
        lifted = stored is not None and not stored.max_requests
        return Admission.UNLIMITED if lifted else Admission.NONE
