"""Concurrent edits: none is lost, and one with an etag knows whether it was the first."""

import asyncio

from tollkeeper.v1 import token_service_pb2 as pb
from tollkeeper_server.errors import Reason, TollkeeperError

from tests.unit.management.plane import Plane


async def test_edits_at_the_same_time_all_take_effect(plane: Plane) -> None:
    minted = await plane.mint((await plane.project()).id)
    edits = (
        pb.UpdateTokenRequest(id=minted.id, name="n"),
        pb.UpdateTokenRequest(id=minted.id, max_requests=3),
        pb.UpdateTokenRequest(id=minted.id, allowed_models=["m"]),
        pb.UpdateTokenRequest(id=minted.id, duration_minutes=5),
    )
    await asyncio.gather(*(plane.call(edit, pb.UpdateTokenResponse) for edit in edits))
    token = await plane.token(minted.id)
    assert (token.name, token.max_requests, list(token.allowed_models)) == ("n", 3, ["m"])
    assert token.HasField("expires_at")


async def test_of_edits_with_one_etag_one_takes_effect(plane: Plane) -> None:
    minted = await plane.mint((await plane.project()).id)

    async def attempt(number: int) -> bool:
        request = pb.UpdateTokenRequest(id=minted.id, max_requests=number, etag=minted.etag)
        try:
            await plane.call(request, pb.UpdateTokenResponse)
        except TollkeeperError as error:
            assert error.reason is Reason.ETAG_MISMATCH  # noqa: PT017 - either is right, others are not
            return False
        return True

    outcomes = await asyncio.gather(*(attempt(number) for number in range(1, 6)))
    assert sum(outcomes) == 1
    assert (await plane.token(minted.id)).max_requests == outcomes.index(True) + 1
