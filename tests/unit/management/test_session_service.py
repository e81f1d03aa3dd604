"""SessionService tells who is signed in, and ends sessions. Under a session it knows the caller's own."""

from datetime import timedelta

from google.protobuf.message import Message
from tollkeeper.v1 import session_service_pb2 as pb
from tollkeeper_server.domain.session import IDLE, LONGEST
from tollkeeper_server.errors import Reason
from tollkeeper_server.management.chain.chain import Call, OfferedSession, in_hand
from tollkeeper_server.management.sessions import calling_session

from tests.unit.management.plane import BY_REQUEST, MANAGEMENT_TOKEN, Plane


async def sign_in(plane: Plane, address: str = "192.0.2.1") -> tuple[str, str]:
    """Begin a session, and return its id and its secret."""
    session, secret = await plane.sessions.begin(MANAGEMENT_TOKEN, address=address, user_agent="a browser")
    return session.id, secret


async def under(plane: Plane, secret: str, request: Message) -> Message:
    """Make a call under a session."""
    call = Call(BY_REQUEST[request.DESCRIPTOR.full_name], "req-of-test", {}, session=OfferedSession(secret))
    return await plane.chain().invoke(call, in_hand(request))


async def listed(plane: Plane) -> set[str]:
    """Return the ids of the sessions that go on."""
    answer = await plane.call(pb.ListSessionsRequest(), pb.ListSessionsResponse)
    return {it.id for it in answer.sessions}


async def test_a_session_is_told_with_its_times(plane: Plane) -> None:
    session, _ = await plane.sessions.begin(MANAGEMENT_TOKEN, address="192.0.2.1", user_agent="a browser")
    (told,) = (await plane.call(pb.ListSessionsRequest(), pb.ListSessionsResponse)).sessions
    assert (told.id, told.address, told.user_agent, told.is_current) == (
        session.id,
        "192.0.2.1",
        "a browser",
        False,
    )
    began = session.created_at.replace(tzinfo=None)
    assert [
        it.ToDatetime() - began
        for it in (told.created_at, told.last_used_at, told.idle_expires_at, told.absolute_expires_at)
    ] == [timedelta(0), timedelta(0), IDLE, LONGEST]


async def test_the_callers_own_is_marked(plane: Plane) -> None:
    """And forgotten with the call."""
    own, secret = await sign_in(plane)
    await sign_in(plane)
    answer = await under(plane, secret, pb.ListSessionsRequest())
    assert isinstance(answer, pb.ListSessionsResponse)
    assert {it.id for it in answer.sessions if it.is_current} == {own}
    assert len(answer.sessions) == 2
    assert calling_session.get() is None


async def test_sessions_come_in_pages_newest_first(plane: Plane) -> None:
    made = {(await sign_in(plane))[0] for _ in range(5)}
    found, token = list[str](), ""
    for size in (2, 2, 1):
        request = pb.ListSessionsRequest(page_size=2, page_token=token)
        answer = await plane.call(request, pb.ListSessionsResponse)
        assert len(answer.sessions) == size
        found += [it.id for it in answer.sessions]
        token = answer.next_page_token
    assert token == ""
    assert found == sorted(made, reverse=True)
    await plane.refuse(pb.ListSessionsRequest(page_token="x"), Reason.INVALID_ARGUMENT, field="page_token")


async def test_one_is_ended(plane: Plane) -> None:
    (one, _), (other, _) = await sign_in(plane), await sign_in(plane)
    await plane.call(pb.RevokeSessionRequest(id=one), pb.RevokeSessionResponse)
    assert await listed(plane) == {other}
    await plane.refuse(pb.RevokeSessionRequest(id=one), Reason.NOT_FOUND, field="id")
    await plane.refuse(pb.RevokeSessionRequest(id="x"), Reason.INVALID_ARGUMENT, field="id")


async def test_all_are_ended_everywhere(plane: Plane) -> None:
    """With the management token there is no own session to keep."""
    for _ in range(3):
        await sign_in(plane)
    request = pb.RevokeAllSessionsRequest(keep_current=True)
    assert (await plane.call(request, pb.RevokeAllSessionsResponse)).revoked_count == 3
    assert await listed(plane) == set()


async def test_the_callers_own_may_stay(plane: Plane) -> None:
    """Or end with the others: the call is answered, and the next one refused."""
    own, secret = await sign_in(plane)
    await sign_in(plane)
    kept = await under(plane, secret, pb.RevokeAllSessionsRequest(keep_current=True))
    assert kept == pb.RevokeAllSessionsResponse(revoked_count=1)
    assert await listed(plane) == {own}
    ended = await under(plane, secret, pb.RevokeAllSessionsRequest())
    assert ended == pb.RevokeAllSessionsResponse(revoked_count=1)
    assert await listed(plane) == set()
