"""What the tests of Redis are made with."""

from tollkeeper_server.coordination.redis.link import RedisLink
from tollkeeper_server.coordination.redis.tokens import RedisSharedTokens

from tests.unit.coordination.parts import LIFETIME, UNKNOWN_LIFETIME

PATIENT = 30.0


def make_shared(link: RedisLink) -> RedisSharedTokens:
    """Return the shared tokens over a link."""
    return RedisSharedTokens(link, lifetime=LIFETIME, unknown_lifetime=UNKNOWN_LIFETIME)
