"""What is kept of tokens in a real Redis."""

import asyncio

import pytest
from tollkeeper_server.coordination.ports import Unknown
from tollkeeper_server.coordination.redis.link import RedisLink
from tollkeeper_server.coordination.redis.primary import TAG
from tollkeeper_server.coordination.redis.tokens import RedisSharedTokens

from tests.unit.coordination.parts import LIFETIME, UNKNOWN_LIFETIME, digest_of, edited, make_token
from tests.unit.coordination.redis.parts import make_shared


async def test_an_entry_is_kept_by_the_full_digest(link: RedisLink, shared: RedisSharedTokens) -> None:
    token = make_token()
    assert await shared.get(token.digest) is None
    await shared.put({token.digest: token, digest_of(0): Unknown()})
    assert token == await shared.get(token.digest)
    assert Unknown() == await shared.get(digest_of(0))
    assert await link.client.exists(f"{TAG}:token:{token.digest}") == 1


async def test_every_key_has_a_bounded_life(link: RedisLink, shared: RedisSharedTokens) -> None:
    token = make_token()
    retired, unknown = digest_of(1), digest_of(0)
    await shared.put({token.digest: token, unknown: Unknown(), retired: Unknown(2)})
    await shared.lead(token.digest)
    bounds = {
        f"{TAG}:token:{token.digest}": LIFETIME,
        f"{TAG}:token:{retired}": LIFETIME,
        f"{TAG}:token:{unknown}": UNKNOWN_LIFETIME,
        f"{TAG}:lead:{token.digest}": 1.0,
    }
    for key, seconds in bounds.items():
        assert 0 < await link.client.pttl(key) <= seconds * 1000
    keys = {key.decode() async for key in link.client.scan_iter()}
    assert set(bounds) <= keys
    assert keys - set(bounds) <= {f"{TAG}:probe"}


async def test_more_entries_than_a_batch_are_all_kept(shared: RedisSharedTokens) -> None:
    tokens = [make_token() for _ in range(1100)]
    await shared.put({token.digest: token for token in tokens})
    assert tokens == [await shared.get(token.digest) for token in tokens]


async def test_an_older_revision_does_not_replace_a_newer_one(shared: RedisSharedTokens) -> None:
    token = make_token(revision=9)
    revoked = edited(token, is_active=False)
    await shared.put({token.digest: revoked})
    await shared.put({token.digest: token})
    await shared.put({token.digest: Unknown()})
    assert revoked == await shared.get(token.digest)
    await shared.put({token.digest: Unknown(11)})
    await shared.put({token.digest: revoked})
    assert Unknown(11) == await shared.get(token.digest)


@pytest.mark.parametrize("value", [b"", b"x" * 40, b"0000000000000001{", b"0000000000000001{}", b"\xff\x00"])
async def test_an_entry_that_cannot_be_read_counts_as_none_and_is_replaced(
    link: RedisLink, shared: RedisSharedTokens, value: bytes
) -> None:
    token = make_token()
    await link.client.set(f"{TAG}:token:{token.digest}", value)
    assert await shared.get(token.digest) is None
    await shared.put({token.digest: token})
    assert token == await shared.get(token.digest)


async def test_one_leads_until_it_resigns(link: RedisLink, shared: RedisSharedTokens) -> None:
    other = make_shared(link)
    leads = await asyncio.gather(*(each.lead(digest_of(0)) for each in [shared, other] * 20))
    assert leads.count(True) == 1
    await other.resign(digest_of(0))
    assert await shared.lead(digest_of(0))
