"""What several processes have counted is counted together, and nothing is lost on the way."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.usage import TokenCounts
from tollkeeper_server.telemetry.merged import merged
from tollkeeper_server.telemetry.metrics import OTHER, Family, Gauges, Metrics
from tollkeeper_server.telemetry.sums import Sums, add, sums_of

CALLS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.floats(0, 700)), max_size=30)


def count(metrics: Metrics, calls: list[tuple[str, int, float]]) -> None:
    """Count something in each kind of family."""
    for name, number, seconds in calls:
        metrics.began(name)
        metrics.called("group", name, seconds, "cut" if number == 0 else "")
        metrics.used("model", name, TokenCounts(prompt=number, completion=1), number)
        metrics.served["model", name].first_bytes.add(seconds)


def sent(metrics: Metrics) -> Sums:
    """Return what another process is told of it."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(sums_of(metrics)), type=Sums)


@given(CALLS, CALLS)
def test_the_sum_of_two_is_what_one_would_have_counted(
    first: list[tuple[str, int, float]], second: list[tuple[str, int, float]]
) -> None:
    one, both = Metrics(), Metrics()
    count(one, first)
    count(one, second)
    for calls in (first, second):
        alone = Metrics()
        count(alone, calls)
        add(both, sent(alone))
    told, expected = sums_of(both), sums_of(one)
    assert told.keys() == expected.keys()
    for name in told:
        assert {labels: [round(it, 6) for it in numbers] for labels, numbers in told[name]} == {
            labels: [round(it, 6) for it in numbers] for labels, numbers in expected[name]
        }


def test_nothing_is_under_way_in_a_process_that_has_ended() -> None:
    alone, whole = Metrics(), Metrics()
    count(alone, [("a", 1, 0.1)])
    add(whole, sent(alone), is_alive=False)
    assert whole.in_flight == {}
    assert whole.upstream_durations["group", "a"].count == 1


def test_a_family_that_is_full_counts_the_rest_together() -> None:
    alone, whole = Metrics(), Metrics()
    for number in range(3):
        alone.rate_limited(f"listener-{number}")
    whole.rate_limits = Family(whole.rate_limits._new, 1)
    add(whole, sent(alone))
    assert {labels: one.value for labels, one in whole.rate_limits.items()} == {
        ("listener-0",): 1,
        (OTHER,): 2,
    }


def test_gauges_of_several_are_those_of_one_gateway() -> None:
    worker = Gauges(
        snapshot_revision=6,
        snapshot_age=3.0,
        journal_waiting=1,
        journal_skipped=0,
        drain_lag=0.1,
        ledger_is_shared=False,
        breakers={"up": "open", "new": "closed"},
        calls={"up": 2},
        connections={"main": 3},
        refused={("data", "full"): 1},
    )
    own = Gauges(
        snapshot_revision=7,
        snapshot_age=1.0,
        journal_waiting=2,
        journal_skipped=1,
        drain_lag=0.5,
        ledger_is_shared=True,
        breakers={"up": "half_open"},
        calls={"up": 1},
        connections={"console": 1},
        refused={("data", "full"): 1},
    )
    told = merged(own, [worker], [worker])
    assert (told.snapshot_revision, told.snapshot_age, told.drain_lag) == (6, 3.0, 0.5)
    assert (told.journal_waiting, told.journal_skipped) == (3, 1)
    assert told.ledger_is_shared is False
    assert told.breakers == {"up": "open", "new": "closed"}
    assert told.calls == {"up": 3}
    assert told.connections == {"console": 1, "main": 3}
    assert told.refused == {("data", "full"): 3}
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(told), type=Gauges) == told
