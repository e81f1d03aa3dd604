"""Retries: at which members, in how many rounds, after which waits."""

import pytest
from tollkeeper_server.dataplane.call.retry import BUDGET_FLOOR
from tollkeeper_server.dataplane.transport import (
    ConnectError,
    CutError,
)
from tollkeeper_server.domain.connect_failure import ConnectProblem, ConnectReason
from tollkeeper_server.domain.traffic import Retry

from tests.unit.dataplane.call.scripted import FAILOVER, ask, bad, good, model, scene


async def test_without_a_retry_no_member_is_tried_twice() -> None:
    bench = scene(model("m", "a", "b"), a=[bad(500)], b=[bad(502)])

    assert (await ask(bench)).status == 502
    assert bench.transport.hosts == ["a.test", "b.test"]


async def test_a_retry_goes_round_as_often_as_it_says() -> None:
    policy = {**FAILOVER, "retry": Retry(attempts=3, initial_ms=1)}
    bench = scene(model("m", "a", "b", policy=policy), a=[bad(500)], b=[bad(502)])

    assert (await ask(bench)).status == 502
    assert bench.transport.hosts == ["a.test", "b.test", "a.test", "b.test"]


async def test_a_retry_of_one_member_ends_with_its_first_success() -> None:
    policy = {"retry": Retry(attempts=5, initial_ms=1)}
    bench = scene(model("m", "a", policy=policy), a=[bad(500), ConnectError("refused"), good()])

    assert (await ask(bench)).status == 200
    assert len(bench.transport.requests) == 3


async def test_what_an_upstream_may_have_acted_on_is_not_repeated_if_only_safe_calls_are() -> None:
    policy = {**FAILOVER, "retry": Retry(only_safe=True, initial_ms=1)}
    acted = scene(model("m", "a", "b", policy=policy), a=[CutError("cut")], b=[good()])
    unseen = scene(model("m", "a", "b", policy=policy), a=[ConnectError("refused")], b=[good()])

    assert (await ask(acted)).status == 502
    assert (await ask(unseen)).status == 200


async def test_nobody_waits_longer_than_the_policy_allows() -> None:
    policy = {"retry": Retry(initial_ms=1, total_seconds=1)}
    bench = scene(model("m", "a", policy=policy), a=[bad(429, b"{}", (b"Retry-After", b"30"))])

    reply = await ask(bench)

    assert (reply.status, reply.headers[b"retry-after"]) == (429, b"30")
    assert len(bench.transport.requests) == 1


async def test_retries_are_a_bounded_share_of_what_is_asked() -> None:
    policy = {"retry": Retry(attempts=1, initial_ms=1, budget_percent=20)}
    bench = scene(model("m", "a", policy=policy), a=[bad(429)])

    for _ in range(200):
        await ask(bench)

    assert len(bench.transport.requests) == 200 + BUDGET_FLOOR


def _no_connection(reason: ConnectReason, *, at_proxy: bool = False) -> ConnectError:
    return ConnectError("no connection", ConnectProblem(reason=reason, at_proxy=at_proxy))


LASTING = [
    _no_connection(ConnectReason.CERTIFICATE_WRONG_HOST),
    _no_connection(ConnectReason.CERTIFICATE_EXPIRED),
    _no_connection(ConnectReason.CLIENT_CERTIFICATE_WANTED),
    _no_connection(ConnectReason.PROXY_CREDENTIALS, at_proxy=True),
]
# No test could wait for so long.
PATIENT = {**FAILOVER, "retry": Retry(attempts=9, initial_ms=60_000, max_ms=60_000, total_seconds=600.0)}


@pytest.mark.parametrize("failure", LASTING, ids=lambda it: it.problem.reason.value)
async def test_what_fails_the_same_way_again_is_not_waited_for(failure: ConnectError) -> None:
    bench = scene(model("m", "a", policy=PATIENT), a=[failure] * 9)

    assert (await ask(bench)).status == 502
    assert bench.transport.hosts == ["a.test"]


@pytest.mark.parametrize("failure", LASTING, ids=lambda it: it.problem.reason.value)
async def test_other_members_are_tried_at_once_where_one_fails_for_good(failure: ConnectError) -> None:
    bench = scene(model("m", "a", "a", "b", policy=PATIENT), a=[failure] * 9, b=[good()])

    assert (await ask(bench)).status == 200
    assert bench.transport.hosts == ["a.test", "b.test"]


async def test_a_round_after_a_wait_leaves_out_the_members_that_fail_for_good() -> None:
    retry = Retry(attempts=3, initial_ms=1, max_ms=1)
    route = model("m", "a", "b", policy={**FAILOVER, "retry": retry})
    passing = _no_connection(ConnectReason.REFUSED)
    bench = scene(route, a=[LASTING[0]] * 9, b=[passing, passing, good()])

    assert (await ask(bench)).status == 200
    assert bench.transport.hosts == ["a.test", "b.test", "b.test", "b.test"]
