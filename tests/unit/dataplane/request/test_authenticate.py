"""Who is calling: how a token may be presented, and what it takes to be admitted."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.coordination.ports import Unknown
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.request.authenticate import Authenticator, Identity, presented
from tollkeeper_server.domain.token import MAX_SECRET_LENGTH
from tollkeeper_server.errors import Reason, StoreUnavailableError, TollkeeperError
from tollkeeper_server.snapshot.compile import CompileError
from tollkeeper_server.snapshot.model import EMPTY, ProjectView, Snapshot

from tests.unit.dataplane.configured import DIGEST_KEY, NOW, SECRET, snapshot, token
from tests.unit.dataplane.exchanges import exchange
from tests.unit.dataplane.gateway import KnownTokens


@pytest.mark.parametrize(
    "headers",
    [
        {b"authorization": b"Bearer " + SECRET},
        {b"authorization": b"bearer " + SECRET},
        {b"authorization": b"BEARER   " + SECRET + b" "},
        {b"authorization": SECRET},
        {b"authorization": b" " + SECRET + b" "},
        {b"x-api-key": SECRET},
        {b"api-key": b" " + SECRET},
        {b"authorization": b"Bearer " + SECRET, b"x-api-key": b"other", b"api-key": b"another"},
        {b"x-api-key": SECRET, b"api-key": b"other"},
        {b"authorization": b"Basic dXNlcjpwYXNz", b"x-api-key": SECRET},
        {b"authorization": b"Bearer ", b"api-key": SECRET},
    ],
)
def test_a_token_is_found_wherever_clients_put_it(headers: dict[bytes, bytes]) -> None:
    assert presented(headers) == SECRET


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"authorization": b""},
        {b"authorization": b"Bearer"},
        {b"authorization": b"Bearer   "},
        {b"authorization": b"Basic " + SECRET},
        {b"authorization": b"Digest " + SECRET + b" x"},
        {b"x-api-key": b""},
        {b"authorization": b"Bearer " + b"a" * (MAX_SECRET_LENGTH + 1)},
        {b"authorization": b"Bearer " + b"a" * (1 << 20)},
        {b"authorization": b"Bearer canary\x00canary"},
        {b"x-api-key": b"canary\xff"},
        {b"api-key": "canary\u00e9".encode()},
        {b"x-api-key": b"canary\x7f"},
    ],
)
def test_what_can_be_no_token_is_refused_without_being_shown(headers: dict[bytes, bytes]) -> None:
    with pytest.raises(TollkeeperError) as caught:
        presented(headers)
    assert Reason.INVALID_API_KEY is caught.value.reason
    assert "canary" not in caught.value.message
    assert len(caught.value.message) < 300


@given(st.dictionaries(st.sampled_from([b"authorization", b"x-api-key", b"api-key"]), st.binary(max_size=40)))
def test_any_headers_are_read_or_refused(headers: dict[bytes, bytes]) -> None:
    reason, secret = Reason.INVALID_API_KEY, b""
    try:
        secret = presented(headers)
    except TollkeeperError as error:
        reason = error.reason
    assert reason is Reason.INVALID_API_KEY
    assert secret.decode("ascii").isprintable()


class _Reload:
    def __init__(self, result: Snapshot | Exception) -> None:
        self.result = result
        self.calls = 0

    async def __call__(self) -> Snapshot:
        self.calls += 1
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def _caller(secret: bytes = SECRET, configuration: Snapshot | None = None) -> Exchange:
    made = exchange(headers=[(b"authorization", b"Bearer " + secret)])
    made.token_id = made.project_id = ""
    made.snapshot = configuration if configuration is not None else made.snapshot
    return made


async def _authenticate(tokens: KnownTokens, caller: Exchange, reload: _Reload | None = None) -> Identity:
    return await Authenticator(
        tokens, DIGEST_KEY, tokens.by_id, reload or _Reload(EMPTY), lambda: NOW
    ).authenticate(caller)


async def _refused(tokens: KnownTokens, caller: Exchange, reload: _Reload | None = None) -> TollkeeperError:
    with pytest.raises(TollkeeperError) as caught:
        await _authenticate(tokens, caller, reload)
    assert SECRET.decode() not in caught.value.message
    return caught.value


async def test_a_token_known_here_needs_nobody_else() -> None:
    tokens, caller = KnownTokens(token()), _caller()

    identity = await _authenticate(tokens, caller)

    assert (token(), caller.snapshot.projects["prj_1"]) == (identity.token, identity.project)
    assert (caller.token_id, caller.project_id) == ("tok_1", "prj_1")
    assert tokens.asked == 0


async def test_a_token_not_known_here_is_asked_for() -> None:
    tokens, caller = KnownTokens(stored=[token()]), _caller()

    identity = await _authenticate(tokens, caller)

    assert token() == identity.token
    assert tokens.asked == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"is_active": False},
        {"expires_at": NOW},
        {"expires_at": NOW - timedelta(days=1)},
        {"digest": "0" * 64},
    ],
)
async def test_a_token_that_does_not_admit_looks_like_none_at_all(changes: dict[str, Any]) -> None:
    caller = _caller()

    known = await _refused(KnownTokens(token(**changes)), caller)
    unknown = await _refused(KnownTokens(), _caller())

    assert (unknown.reason, unknown.message) == (known.reason, known.message)
    assert Reason.INVALID_API_KEY is known.reason
    assert caller.token_id == ""


async def test_a_token_admits_until_the_moment_it_expires() -> None:
    caller = _caller()

    await _authenticate(KnownTokens(token(expires_at=NOW + timedelta(microseconds=1))), caller)

    assert caller.token_id == "tok_1"


async def test_a_token_known_to_be_unknown_is_not_asked_for_again() -> None:
    tokens = KnownTokens(stored=[token()])
    tokens.local[token().digest] = Unknown()

    assert Reason.INVALID_API_KEY is (await _refused(tokens, _caller())).reason
    assert tokens.asked == 0


async def test_a_store_that_is_away_is_no_unknown_token() -> None:
    tokens = KnownTokens()
    tokens.failure = StoreUnavailableError("the store")

    error = await _refused(tokens, _caller())

    assert (error.outcome.http, error.retry_after) == (503, 1)


async def test_an_inactive_project_is_refused_on_record() -> None:
    caller = _caller(configuration=snapshot(project=ProjectView(id="prj_1", is_active=False, api_key=None)))

    error = await _refused(KnownTokens(token()), caller)

    assert Reason.PROJECT_INACTIVE is error.reason
    assert (caller.token_id, caller.project_id) == ("tok_1", "prj_1")


async def test_a_project_made_elsewhere_is_looked_up() -> None:
    caller, reload = _caller(configuration=EMPTY), _Reload(snapshot())

    await _authenticate(KnownTokens(token()), caller, reload)

    assert reload.calls == 1
    assert reload.result is caller.snapshot


@pytest.mark.parametrize(
    "result", [EMPTY, StoreUnavailableError("the store"), CompileError("the api_key of upstream x: damaged")]
)
async def test_a_project_that_can_not_be_looked_up_is_no_refusal(result: Snapshot | Exception) -> None:
    caller = _caller(configuration=EMPTY)

    error = await _refused(KnownTokens(token()), caller, _Reload(result))

    assert Reason.STORE_UNAVAILABLE is error.reason
    assert caller.token_id == ""


async def test_another_digest_key_knows_no_token() -> None:
    tokens = KnownTokens(token())
    authenticator = Authenticator(tokens, b"o" * 32, tokens.by_id, _Reload(EMPTY), lambda: NOW)

    with pytest.raises(TollkeeperError):
        await authenticator.authenticate(_caller())


async def test_the_clock_is_asked_each_time() -> None:
    times: list[datetime] = [NOW, NOW + timedelta(seconds=2)]
    expiring = msgspec.structs.replace(token(), expires_at=NOW + timedelta(seconds=1))
    tokens = KnownTokens(expiring)
    authenticator = Authenticator(tokens, DIGEST_KEY, tokens.by_id, _Reload(EMPTY), lambda: times.pop(0))

    await authenticator.authenticate(_caller())
    with pytest.raises(TollkeeperError):
        await authenticator.authenticate(_caller())
    assert not times


def test_a_view_of_a_project_hides_its_key() -> None:
    view = ProjectView(id="prj_1", is_active=True, api_key="sk-canary")

    assert "canary" not in repr(view)
