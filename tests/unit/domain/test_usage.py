"""What amends an event changes its counts, if it is surer, and nothing else."""

from datetime import UTC, datetime
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from tollkeeper_server.domain.limit import Charge
from tollkeeper_server.domain.usage import Confidence, TokenCounts, UsageEvent, less_sure, merge

OWN = UsageEvent(
    id="req_1",
    request_id="r",
    project_id="prj_1",
    token_id="tok_1",
    endpoint="responses",
    status=499,
    tokens=TokenCounts(prompt=1, confidence=Confidence.PENDING),
    charges=(Charge("money:day:token:tok_1", 0, 100),),
    started_at=datetime(2026, 11, 21, tzinfo=UTC),
)
AMENDING = [
    structs.replace(
        OWN,
        status=200,
        tokens=TokenCounts(prompt=number, confidence=confidence),
        cost_nano_dollars=number * 10,
        charges=(Charge("money:day:token:tok_1", 0, number * 10),),
        amends=True,
    )
    for number, confidence in enumerate(Confidence, start=2)
]


@given(st.permutations([OWN, *AMENDING]), st.integers(1, 4))
def test_in_whatever_order_and_groups_they_meet_the_surest_counts_stay(
    events: list[UsageEvent], size: int
) -> None:
    groups = [reduce(merge, events[at : at + size]) for at in range(0, len(events), size)]
    assert reduce(merge, groups).tokens == AMENDING[0].tokens
    surest = AMENDING[0]
    assert reduce(merge, events) == structs.replace(
        OWN,
        tokens=surest.tokens,
        cost_nano_dollars=surest.cost_nano_dollars,
        charges=surest.charges,
        amends=True,
    )


def test_what_says_nothing_of_charges_leaves_them() -> None:
    surer = structs.replace(AMENDING[0], charges=())
    for events in ((OWN, surer), (surer, OWN)):
        assert merge(*events) == structs.replace(surer, status=OWN.status, charges=OWN.charges)


@given(st.sampled_from(Confidence), st.sampled_from(Confidence))
def test_counts_give_way_to_surer_ones_only(one: Confidence, other: Confidence) -> None:
    assert (one in less_sure(other)) + (other in less_sure(one)) == (one is not other)


def test_an_event_that_is_told_twice_is_the_first() -> None:
    assert merge(OWN, structs.replace(OWN, tokens=AMENDING[0].tokens)) is OWN
