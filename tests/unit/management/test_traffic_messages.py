"""A policy that is written down is read as the same."""

from hypothesis import given
from hypothesis import strategies as st
from tollkeeper.v1 import traffic_pb2
from tollkeeper_server.domain.traffic import Retry, Strategy, TrafficPolicy
from tollkeeper_server.management.traffic_messages import policy_message, policy_of

MICROSECONDS = st.integers(1000, 10**9).map(lambda it: it / 1_000_000)
RETRIES = st.builds(
    Retry,
    attempts=st.integers(0, 100),
    initial_ms=st.integers(1, 60_000),
    max_ms=st.integers(1, 120_000),
    total_seconds=MICROSECONDS,
    only_safe=st.booleans(),
    budget_percent=st.integers(1, 100),
)
POLICIES = st.builds(
    TrafficPolicy,
    strategy=st.sampled_from(Strategy),
    user_agent=st.sampled_from(["", "gateway/1"]),
    keep_alive_seconds=st.integers(0, 7200),
    timeouts=st.dictionaries(st.sampled_from(["connect", "request", "idle"]), MICROSECONDS),
    retry=st.none() | RETRIES,
    session_header=st.sampled_from(["", "x-session"]),
)


@given(POLICIES)
def test_a_policy_is_read_as_it_was_written(policy: TrafficPolicy) -> None:
    assert policy_of(policy_message(policy)) == policy


def test_what_is_unset_is_the_default() -> None:
    assert policy_of(traffic_pb2.TrafficPolicy()) == TrafficPolicy()
    assert policy_of(traffic_pb2.TrafficPolicy(retry=traffic_pb2.Retry())).retry == Retry()
