"""A store that is only tried answers as the store itself would, and writes nothing."""

from collections.abc import Awaitable, Callable

import msgspec
import pytest
from tollkeeper_server.domain.configuration import Batch, Entity, key_of
from tollkeeper_server.domain.token import Token
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.store.ports import ConfigurationStore, Store, TokenStore
from tollkeeper_server.store.trial import TrialConfiguration, TrialTokens

from tests.contract.entities import MAKERS, NOON, a_token, an_entity


async def outcome(doing: Awaitable[bool | None]) -> object:
    """Return what comes of a write: its answer, or what its refusal says."""
    try:
        return await doing
    except TollkeeperError as error:
        return error.reason, error.message, error.field


@pytest.mark.parametrize("kind", MAKERS, ids=lambda it: it.__name__)
async def test_the_configuration_is_tried(store: Store, kind: type[Entity]) -> None:
    present, absent = an_entity(kind, "present"), an_entity(kind, "absent")
    await store.configuration.add(present)
    current = await store.configuration.read()
    wrong, right = present.revision + 7, present.revision
    writes: list[Callable[[ConfigurationStore], Awaitable[bool | None]]] = [
        lambda it: it.add(present),
        lambda it: it.replace(present, expected=wrong),
        lambda it: it.replace(absent, expected=right),
        lambda it: it.delete(kind, key_of(present), expected=wrong),
        lambda it: it.delete(kind, key_of(absent), expected=right),
        lambda it: it.write(Batch(puts=(absent,)), expected=current.revision + 7),
        lambda it: it.write(Batch(puts=(absent,)), expected=current.revision),
        lambda it: it.delete(kind, key_of(present), expected=right),
        lambda it: it.add(present),
        lambda it: it.replace(present, expected=right),
    ]
    trial = TrialConfiguration(store.configuration)
    for write in writes:
        before = await store.configuration.read()
        tried = await outcome(write(trial))
        assert await store.configuration.read() == before
        assert tried == await outcome(write(store.configuration))
        assert await trial.read() == await store.configuration.read()


async def test_tokens_are_tried(store: Store) -> None:
    one, other = a_token(max_requests=1), a_token()
    await store.tokens.add(one)
    await store.tokens.add(other)

    def of(token: Token, **fields: object) -> Token:
        return msgspec.structs.replace(token, **fields)

    new, right, wrong = a_token(), one.revision, one.revision + 7
    writes: list[Callable[[TokenStore], Awaitable[bool | None]]] = [
        lambda it: it.add(of(new, digest=one.digest)),
        lambda it: it.replace(of(one, digest=other.digest), expected=right),
        lambda it: it.replace(of(one, digest=new.digest), expected=wrong),
        lambda it: it.replace(new, expected=right),
        lambda it: it.admit(new.id, at=NOON),
        lambda it: it.admit(other.id, at=NOON),
        lambda it: it.admit(one.id, at=NOON),
        lambda it: it.admit(one.id, at=NOON),
        lambda it: it.replace(of(one, digest=new.digest), expected=right),
        lambda it: it.add(of(new, digest=one.digest)),
    ]
    trial = TrialTokens(store.tokens)
    for write in writes:
        before = await store.tokens.list(limit=9)
        tried = await outcome(write(trial))
        assert await store.tokens.list(limit=9) == before
        assert tried == await outcome(write(store.tokens))
        assert await trial.list(limit=9) == await store.tokens.list(limit=9)
