"""What holds for the gateway as a whole, that is for all processes that share a store."""

from datetime import UTC, datetime

from msgspec import Struct

from tollkeeper_server.domain.limit import Limit

GATEWAY = "gateway"
"""The name of the one that is configured."""
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class Gateway(Struct, frozen=True, kw_only=True):
    """What holds for the gateway as a whole. There is one, `GATEWAY`, whether or not it is stored."""

    name: str
    limits: tuple[Limit, ...] = ()
    created_at: datetime
    updated_at: datetime
    revision: int = 1

    @property
    def is_stored(self) -> bool:
        """Whether somebody has written it; else it is `UNWRITTEN`."""
        return self.revision > 0


UNWRITTEN = Gateway(name=GATEWAY, created_at=_NEVER, updated_at=_NEVER, revision=0)
"""What holds before anything is written: no limits."""
