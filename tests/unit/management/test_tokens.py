"""Tokens are minted, changed, rotated and revoked; their secret is shown once and kept nowhere."""

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from tollkeeper.v1 import project_service_pb2
from tollkeeper.v1 import token_service_pb2 as pb
from tollkeeper_server.domain.token import Token, digest_secret
from tollkeeper_server.errors import Reason, StoreUnavailableError
from tollkeeper_server.store.sqlite.store import SqliteStore
from tollkeeper_server.store.sqlite.tokens import SqliteTokens

from tests.unit.management.plane import DIGEST_KEY, Plane

MISSING = "tok_" + "0" * 26


class _Stubborn(SqliteTokens):
    """Real tokens of a store that is away whenever one of them is to be written."""

    def __init__(self, store: SqliteStore, token_id: str) -> None:
        super().__init__(store._connection)
        self._stubborn = token_id

    async def replace(self, token: Token, *, expected: int) -> bool:
        if token.id == self._stubborn:
            raise StoreUnavailableError("the store")
        return await super().replace(token, expected=expected)


async def update(plane: Plane, **fields: object) -> pb.Token:
    """Change a token."""
    request = pb.UpdateTokenRequest(**fields)  # type: ignore[arg-type]  # fields of the message
    return (await plane.call(request, pb.UpdateTokenResponse)).token


async def rotate(plane: Plane, token_id: str) -> pb.RotateTokenResponse:
    """Rotate a token."""
    return await plane.call(pb.RotateTokenRequest(id=token_id), pb.RotateTokenResponse)


async def test_only_the_digest_of_a_secret_is_stored(plane: Plane) -> None:
    minted = await plane.mint((await plane.project()).id)
    stored = await plane.store.tokens.get(minted.id)
    assert stored is not None
    assert stored.digest == digest_secret(minted.token.encode(), DIGEST_KEY)
    assert minted.token not in repr(stored)
    assert (await plane.token(minted.id)).token == f"{minted.token[:8]}...{minted.token[-4:]}"
    assert plane.told[-1].token == stored


async def test_it_has_what_was_asked_for(plane: Plane) -> None:
    project = await plane.project()
    minted = await plane.call(
        pb.CreateTokenRequest(
            project_id=project.id,
            name="ci",
            duration_minutes=90,
            max_requests=7,
            allowed_models=["gpt-*", "o3"],
        ),
        pb.CreateTokenResponse,
    )
    token = await plane.token(minted.id)
    assert (token.name, token.max_requests, list(token.allowed_models)) == ("ci", 7, ["gpt-*", "o3"])
    lifetime = token.expires_at.ToDatetime() - token.created_at.ToDatetime()
    assert lifetime == timedelta(minutes=90)
    assert minted.expires_at == token.expires_at
    assert minted.etag == token.etag


async def test_a_secret_may_be_given_once(plane: Plane) -> None:
    project = (await plane.project()).id
    request = pb.CreateTokenRequest(project_id=project, secret="sk-of-an-earlier-gateway")
    minted = await plane.call(request, pb.CreateTokenResponse)
    assert minted.token == request.secret
    found = await plane.store.tokens.find(digest_secret(request.secret.encode(), DIGEST_KEY))
    assert found is not None
    assert (found.id, request.secret in repr(found)) == (minted.id, False)
    error = await plane.refuse(request, Reason.ALREADY_EXISTS, field="secret")
    assert request.secret not in error.message


@pytest.mark.parametrize(
    "secret", ["abc", "with space", "line\nbreak", "\u00e4\u00f6\u00fc\u00df", "x" * 257]
)
async def test_a_secret_that_no_header_could_carry_is_refused(plane: Plane, secret: str) -> None:
    request = pb.CreateTokenRequest(project_id=(await plane.project()).id, secret=secret)
    error = await plane.refuse(request, Reason.INVALID_ARGUMENT, field="secret")
    assert secret not in error.message


async def test_it_never_expires_and_has_no_limit_unless_asked(plane: Plane) -> None:
    minted = await plane.mint((await plane.project()).id)
    assert not minted.HasField("expires_at")
    assert minted.max_requests == 0


async def test_it_may_expire_at_a_time(plane: Plane) -> None:
    at = Timestamp()
    at.FromDatetime(datetime.now(UTC) + timedelta(days=1))
    request = pb.CreateTokenRequest(project_id=(await plane.project()).id, expires_at=at)
    minted = await plane.call(request, pb.CreateTokenResponse)
    # To the microsecond, which is what stores keep.
    assert minted.expires_at.ToMicroseconds() == at.ToMicroseconds()


async def test_two_expiries_or_one_in_the_past_are_refused(plane: Plane) -> None:
    project = await plane.project()
    future, past = Timestamp(seconds=253_000_000_000), Timestamp(seconds=1)
    both = pb.CreateTokenRequest(project_id=project.id, duration_minutes=1, expires_at=future)
    error = await plane.refuse(both, Reason.INVALID_ARGUMENT)
    assert "not both" in error.message
    late = pb.CreateTokenRequest(project_id=project.id, expires_at=past)
    await plane.refuse(late, Reason.INVALID_ARGUMENT, field="expires_at")
    beyond = pb.CreateTokenRequest(project_id=project.id, expires_at=Timestamp(seconds=1 << 60))
    await plane.refuse(beyond, Reason.INVALID_ARGUMENT, field="expires_at")


async def test_an_inactive_project_neither_mints_nor_rotates_nor_reactivates(plane: Plane) -> None:
    project = await plane.project()
    minted = await plane.mint(project.id)
    revoked = await plane.mint(project.id)
    await plane.call(pb.RevokeTokenRequest(id=revoked.id), pb.RevokeTokenResponse)
    await plane.deactivate(project.id)
    for request in (
        pb.CreateTokenRequest(project_id=project.id),
        pb.RotateTokenRequest(id=minted.id),
        pb.UpdateTokenRequest(id=revoked.id, is_active=True),
    ):
        await plane.refuse(request, Reason.PROJECT_INACTIVE, field="project_id")
    # What takes rights away goes on.
    assert not (await update(plane, id=minted.id, is_active=False)).is_active
    assert (await update(plane, id=revoked.id, name="n")).name == "n"


async def test_a_token_of_no_project_is_not_minted(plane: Plane) -> None:
    request = pb.CreateTokenRequest(project_id="prj_" + "0" * 26)
    await plane.refuse(request, Reason.NOT_FOUND, field="project_id")


async def test_an_update_changes_what_it_names(plane: Plane) -> None:
    minted = await plane.mint((await plane.project()).id)
    changed = await update(plane, id=minted.id, max_requests=5, duration_minutes=10)
    assert changed.max_requests == 5
    assert changed.expires_at.ToDatetime() - changed.updated_at.ToDatetime() == timedelta(minutes=10)
    cleared = await update(plane, id=minted.id, update_mask=FieldMask(paths=["expires_at", "max_requests"]))
    assert not cleared.HasField("expires_at")
    assert cleared.max_requests == 0
    two = FieldMask(paths=["expires_at", "duration_minutes"])
    both = pb.UpdateTokenRequest(id=minted.id, duration_minutes=1, update_mask=two)
    await plane.refuse(both, Reason.INVALID_ARGUMENT, field="update_mask")
    none = pb.UpdateTokenRequest(id=minted.id, update_mask=FieldMask(paths=["duration_minutes"]))
    await plane.refuse(none, Reason.INVALID_ARGUMENT, field="duration_minutes")


async def test_deactivation_is_dated_and_undone(plane: Plane) -> None:
    minted = await plane.mint((await plane.project()).id)
    inactive = await update(plane, id=minted.id, is_active=False)
    assert inactive.deactivated_at == inactive.updated_at
    active = await update(plane, id=minted.id, is_active=True)
    assert active.is_active
    assert not active.HasField("deactivated_at")


async def test_revoking_twice_changes_nothing_the_second_time(plane: Plane) -> None:
    minted = await plane.mint((await plane.project()).id)
    await plane.call(pb.RevokeTokenRequest(id=minted.id), pb.RevokeTokenResponse)
    revoked = await plane.token(minted.id)
    assert not revoked.is_active
    told = plane.told[-1].token
    assert told is not None
    assert (told.id, told.is_active) == (minted.id, False)
    count = len(plane.told)
    await plane.call(pb.RevokeTokenRequest(id=minted.id), pb.RevokeTokenResponse)
    assert await plane.token(minted.id) == revoked
    assert len(plane.told) == count


async def test_a_rotated_token_has_another_secret_and_the_old_one_is_retired(plane: Plane) -> None:
    minted = await plane.mint((await plane.project()).id)
    rotated = await rotate(plane, minted.id)
    assert rotated.token != minted.token
    old, new = (digest_secret(it.encode(), DIGEST_KEY) for it in (minted.token, rotated.token))
    assert await plane.store.tokens.find(old) is None
    found = await plane.store.tokens.find(new)
    assert found is not None
    assert found.id == minted.id
    assert plane.told[-1].retired_digest == old
    assert plane.told[-1].token == found
    stale = pb.RotateTokenRequest(id=minted.id, etag=minted.etag)
    await plane.refuse(stale, Reason.ETAG_MISMATCH, field="etag")


async def test_lists_leave_out_what_is_not_asked_for(plane: Plane) -> None:
    mine, other = await plane.project(), await plane.project()
    active, revoked = await plane.mint(mine.id), await plane.mint(mine.id)
    expiring = await plane.call(
        pb.CreateTokenRequest(project_id=mine.id, duration_minutes=1), pb.CreateTokenResponse
    )
    await plane.mint(other.id)
    await plane.call(pb.RevokeTokenRequest(id=revoked.id), pb.RevokeTokenResponse)
    plane.clock.now += timedelta(minutes=2)
    of_mine = await plane.call(pb.ListTokensRequest(project_id=mine.id), pb.ListTokensResponse)
    assert {token.id for token in of_mine.tokens} == {active.id, revoked.id, expiring.id}
    request = pb.ListTokensRequest(project_id=mine.id, active_only=True)
    usable = await plane.call(request, pb.ListTokensResponse)
    assert [token.id for token in usable.tokens] == [active.id]


async def test_an_edit_keeps_what_traffic_counted(plane: Plane) -> None:
    project = await plane.project()
    request = pb.CreateTokenRequest(project_id=project.id, max_requests=5)
    minted = await plane.call(request, pb.CreateTokenResponse)
    assert await plane.store.tokens.admit(minted.id, at=plane.clock())
    changed = await update(plane, id=minted.id, name="n", etag=minted.etag)
    assert changed.name == "n"
    assert (await plane.token(minted.id)).request_count == 1


@pytest.mark.parametrize(
    "request_",
    [
        pb.GetTokenRequest(id=MISSING),
        pb.UpdateTokenRequest(id=MISSING, name="x"),
        pb.RevokeTokenRequest(id=MISSING),
        pb.RotateTokenRequest(id=MISSING),
    ],
    ids=lambda it: it.DESCRIPTOR.name,
)
async def test_a_token_that_is_not_there_is_not_found(plane: Plane, request_: pb.GetTokenRequest) -> None:
    await plane.refuse(request_, Reason.NOT_FOUND, field="id")


async def test_one_that_can_not_be_revoked_does_not_keep_the_others(plane: Plane) -> None:
    project = await plane.project()
    tokens = [await plane.mint(project.id) for _ in range(3)]
    plane.store.tokens = _Stubborn(plane.store, tokens[1].id)
    request = project_service_pb2.RevokeProjectTokensRequest(id=project.id)
    answer = await plane.call(request, project_service_pb2.RevokeProjectTokensResponse)
    assert (answer.revoked_count, answer.failed_count, answer.total_tokens) == (2, 1, 3)
    assert [(await plane.token(token.id)).is_active for token in tokens] == [False, True, False]
