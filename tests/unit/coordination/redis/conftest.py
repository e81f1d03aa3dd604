"""A link to a real Redis for each test of this room."""

from collections.abc import AsyncIterator

import pytest
from tollkeeper_server.coordination.redis.link import RedisLink
from tollkeeper_server.coordination.redis.tokens import RedisSharedTokens

from tests.unit.coordination.redis.parts import PATIENT, make_shared


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[RedisLink]:
    """A link that does not mind a busy machine."""
    link = RedisLink(redis_url, timeout=PATIENT, pause=0.02)
    await link.open()
    yield link
    await link.close()


@pytest.fixture
def shared(link: RedisLink) -> RedisSharedTokens:
    """The shared tokens over the link."""
    return make_shared(link)
