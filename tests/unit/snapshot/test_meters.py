"""Meters: what limits become when the configuration is compiled."""

from datetime import UTC, datetime

from msgspec import structs
from tollkeeper_server.domain.limit import Limit, Measure, Scope, ScopeKind
from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.period import Period
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.upstream import Timeouts
from tollkeeper_server.snapshot.compile import compile_snapshot
from tollkeeper_server.snapshot.meters import TokenMeters, meters_for, meters_of
from tollkeeper_server.snapshot.model import Snapshot

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LIMITS = (Limit(measure=Measure.TOKENS, amount=1000, period=Period.DAY),)


def _token(token_id: str, *limits: Limit) -> Token:
    return Token(
        id=token_id, project_id="p", digest="d", hint="h", limits=limits, created_at=NOW, updated_at=NOW
    )


def _compiled(*, limited: bool) -> Snapshot:
    limits = LIMITS if limited else ()
    return compile_snapshot(
        1,
        projects=[Project(id="p", name="p", limits=limits, created_at=NOW, updated_at=NOW)],
        upstreams=[],
        models=[
            Model(name="m", aliases=("alias",), limits=limits, created_at=NOW, updated_at=NOW),
            Model(name="x-*", created_at=NOW, updated_at=NOW),
        ],
        listeners=[Listener(name="l", address="127.0.0.1:1", limits=limits, created_at=NOW, updated_at=NOW)],
        open_secret=lambda sealed, _: sealed,
        default_timeouts=Timeouts(),
        limits=limits,
    )


def test_each_scope_has_its_own() -> None:
    made = _compiled(limited=True)
    of_token = TokenMeters().of(_token("t", *LIMITS))

    meters = meters_for(made, made.listeners["l"], made.projects["p"], made.routes["alias"], of_token)

    assert sorted(meter.key for meter in meters) == [
        "tokens:day:gateway:",
        "tokens:day:listener:l",
        "tokens:day:model:m",
        "tokens:day:project:p",
        "tokens:day:token:t",
    ]
    assert made.has_meters


def test_without_limits_there_are_none() -> None:
    made = _compiled(limited=False)
    assert not made.has_meters
    assert meters_for(made, made.listeners["l"], made.projects["p"], made.routes["m"], ()) == ()
    assert meters_for(made, None, made.projects["p"], None, ()) == ()


def test_one_limit_of_a_pattern_is_enough_to_look() -> None:
    made = _compiled(limited=False)
    (pattern,) = made.patterns
    metered = structs.replace(LIMITS[0])
    limited = type(pattern)(
        **{name: getattr(pattern, name) for name in ("name", "capabilities", "pool", "created_at")},
        meters=meters_of(Scope(ScopeKind.MODEL, "x-*"), [metered]),
    )
    assert Snapshot(1, {}, {}, (limited,), None).has_meters


def test_of_limits_that_count_the_same_the_least_counts() -> None:
    two = [structs.replace(LIMITS[0], amount=amount) for amount in (500, 200, 900)]
    (meter,) = meters_of(Scope(ScopeKind.GATEWAY), two)
    assert meter.amount == 200


def test_those_of_a_token_are_made_once() -> None:
    known, one = TokenMeters(), _token("t", *LIMITS)
    made = known.of(one)

    assert known.of(one) is made
    assert known.of(_token("t", *LIMITS)) is made  # it was read again
    raised = _token("t", structs.replace(LIMITS[0], amount=2000))
    assert [meter.amount for meter in known.of(raised)] == [2000]
    assert known.of(_token("t")) == ()


def test_those_of_few_tokens_are_kept() -> None:
    known = TokenMeters(remembered=2)
    tokens = [_token(f"t{number}", *LIMITS) for number in range(3)]
    made = [known.of(one) for one in tokens]
    assert known.of(tokens[2]) is made[2]
    assert known.of(tokens[0]) is not made[0]
