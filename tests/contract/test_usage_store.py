"""What a store promises about usage events and their sums."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from itertools import chain, combinations, permutations
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tollkeeper_server.domain.ids import Prefix, new_id
from tollkeeper_server.domain.limit import Charge
from tollkeeper_server.domain.usage import (
    Confidence,
    TokenCounts,
    TokenDetails,
    UsageEvent,
    UsageFilter,
    UsageGroup,
)
from tollkeeper_server.domain.usage_sums import Question, UsageRow
from tollkeeper_server.management.usage_summary import summarize
from tollkeeper_server.management.usage_times import Times
from tollkeeper_server.store.ports import Store

from tests.contract.conftest import FreshStore, opened
from tests.contract.entities import LATER, NOON, a_token, an_event

EVERYTHING = UsageFilter()
SECOND = timedelta(seconds=1)
GROUPS = (
    *(UsageGroup.PROJECT, UsageGroup.TOKEN, UsageGroup.MODEL, UsageGroup.UPSTREAM),
    *(UsageGroup.DAY, UsageGroup.HOUR),
)


async def test_an_event_is_read_as_it_was_written(store: Store) -> None:
    """Nothing is lost, of an event with everything and of one with nothing."""
    charges = (
        Charge('money:month@Europe/Berlin:model:größe"', 2**33, 2**52),
        Charge("tokens:total:gateway:", 0, 0),
    )
    full = msgspec.structs.replace(an_event(started_at=LATER), charges=charges)
    bare = UsageEvent(
        id=new_id(Prefix.REQUEST),
        request_id="",
        project_id="prj_1",
        token_id="tok_1",
        endpoint="",
        status=200,
        started_at=NOON,
    )
    assert await store.usage.add([full, bare]) == 2
    assert sorted([full, bare], key=lambda event: event.id, reverse=True) == await store.usage.list(
        EVERYTHING, limit=10
    )


async def test_an_event_is_written_once(store: Store) -> None:
    """A batch that is repeated, in whole or in part or within itself, adds only what is new."""
    events = [an_event() for _ in range(5)]
    assert await store.usage.add(events[:3]) == 3
    assert await store.usage.add(events) == 2
    assert await store.usage.add([*events, events[0]]) == 0
    twice = an_event()
    assert await store.usage.add([twice, twice]) == 1
    assert await store.usage.add([]) == 0
    assert len(await store.usage.list(EVERYTHING, limit=10)) == 6


def _of(event: UsageEvent, confidence: Confidence, prompt: int) -> UsageEvent:
    """Return an event that amends the one of this id with these counts, and differs in the rest."""
    details = TokenDetails(cache_written=prompt) if prompt % 2 else None
    tokens = TokenCounts(
        prompt=prompt, completion=prompt, cached=1, images=3, confidence=confidence, details=details
    )
    cost = prompt * 10 if prompt % 3 else None
    return msgspec.structs.replace(
        event, tokens=tokens, cost_nano_dollars=cost, status=418, duration_us=1, amends=True
    )


@pytest.mark.parametrize("apart", [True, False])
async def test_of_one_event_the_surest_counts_stay(store: Store, apart: bool) -> None:
    """In whatever order they are written, at once or one after the other; the event is counted once."""
    token = a_token()
    await store.tokens.add(token)
    orders = list(permutations(Confidence))
    told = [
        [_of(event, confidence, prompt) for prompt, confidence in enumerate(order, start=1)]
        for order in orders
        for event in (an_event(token),)
    ]
    batches = list(zip(*told, strict=True)) if apart else [tuple(chain.from_iterable(told))]
    assert sum([await store.usage.add(batch) for batch in batches]) == len(orders)

    found = {event.id: event for event in await store.usage.list(EVERYTHING, limit=100)}
    (row,) = await sums_in(store, EVERYTHING, group_by=(), limit=10)
    counted = await store.tokens.get(token.id)
    exact = [order.index(Confidence.EXACT) for order in orders]
    assert found == {
        events[0].id: msgspec.structs.replace(
            events[0],
            tokens=events[at].tokens,
            cost_nano_dollars=events[at].cost_nano_dollars,
            amends=False,
        )
        for events, at in zip(told, exact, strict=True)
    }
    assert (row.requests, row.estimated_requests) == (len(orders), 0)
    assert row.prompt_tokens == sum(at + 1 for at in exact)
    costs = [events[at].cost_nano_dollars for events, at in zip(told, exact, strict=True)]
    known = [cost for cost in costs if cost is not None]
    assert (row.cost_nano_dollars, row.priced_requests) == (sum(known), len(known))
    assert counted is not None
    assert counted.request_count == len(orders)


async def test_surer_counts_leave_the_rest_of_the_event_and_of_the_sums(store: Store) -> None:
    event = msgspec.structs.replace(an_event(), tokens=TokenCounts(confidence=Confidence.PENDING))
    other = an_event()
    await store.usage.add([event, other])
    (pending,) = await sums_in(store, EVERYTHING, group_by=(), limit=1)
    assert await store.usage.add([_of(event, Confidence.ESTIMATED, 5), an_event()]) == 1
    (estimated,) = await sums_in(store, EVERYTHING, group_by=(), limit=1)
    assert await store.usage.add([_of(event, Confidence.ESTIMATED, 7), _of(event, Confidence.NONE, 9)]) == 0
    found = [one for one in await store.usage.list(EVERYTHING, limit=10) if one.id == event.id]
    surer = _of(event, Confidence.ESTIMATED, 5)
    assert found == [
        msgspec.structs.replace(event, tokens=surer.tokens, cost_nano_dollars=surer.cost_nano_dollars)
    ]
    assert (pending.requests, pending.estimated_requests) == (2, 2)
    assert (estimated.requests, estimated.estimated_requests) == (3, 3)
    assert estimated.prompt_tokens == 2 * other.tokens.prompt + 5


async def test_an_event_that_does_not_amend_changes_no_other(store: Store) -> None:
    event = msgspec.structs.replace(an_event(), tokens=TokenCounts(confidence=Confidence.PENDING))
    await store.usage.add([event])
    again = msgspec.structs.replace(_of(event, Confidence.EXACT, 5), amends=False)
    assert await store.usage.add([again]) == 0
    assert await store.usage.list(EVERYTHING, limit=10) == [event]


async def test_many_processes_may_write_the_counts_of_one_event(store: Store, store_url: str) -> None:
    event = msgspec.structs.replace(an_event(), tokens=TokenCounts(confidence=Confidence.PENDING))
    ended = _of(event, Confidence.EXACT, 5)
    async with opened(store_url) as other:
        added = await asyncio.gather(
            *((store, other)[number % 2].usage.add([(event, ended)[number % 3 > 0]]) for number in range(12))
        )
        (row,) = await sums_in(other, EVERYTHING, group_by=(), limit=1)
    assert sum(added) == 1
    assert (row.requests, row.prompt_tokens, row.completion_tokens, row.estimated_requests) == (1, 5, 5, 0)


async def test_of_a_large_batch_what_is_new_is_written_and_counted(store: Store) -> None:
    """However many events and tokens there are, and wherever among them the known and repeated ones are."""
    tokens = [a_token() for _ in range(7)]
    for token in tokens:
        await store.tokens.add(token)
    events = [
        an_event(tokens[number % 7], started_at=NOON + number % 50 * SECOND, request_id=f"r{number}")
        for number in range(700)
    ]
    known = events[3:400:9]
    assert await store.usage.add(known) == len(known)
    batch = list(chain.from_iterable((event, events[number // 2]) for number, event in enumerate(events)))
    assert await store.usage.add(batch) == 700 - len(known)
    assert await store.usage.add(batch) == 0

    assert sorted(events, key=lambda event: event.id, reverse=True) == await store.usage.list(
        EVERYTHING, limit=1000
    )
    for token in tokens:
        times = [event.started_at for event in events if event.token_id == token.id]
        assert msgspec.structs.replace(
            token, request_count=len(times), last_used_at=max(times)
        ) == await store.tokens.get(token.id)


async def test_an_older_event_does_not_move_the_last_use_back(store: Store) -> None:
    """Journals of dead processes come late."""
    token = a_token()
    await store.tokens.add(token)
    await store.usage.add([an_event(token, started_at=LATER)])
    await store.usage.add([an_event(token, started_at=NOON)])
    assert msgspec.structs.replace(token, request_count=2, last_used_at=LATER) == await store.tokens.get(
        token.id
    )


@pytest.mark.parametrize(
    "text", ["\0", "a\0b", "'; --", '"\\u0000', "größte", "\U0001f600", "\u2028", "1e5", " x ", "x" * 70_000]
)
async def test_callers_texts_are_kept_as_they_are(store: Store, text: str) -> None:
    """Whatever a caller names as a model, or as the request."""
    event = msgspec.structs.replace(an_event(request_id=text), model_asked=text)
    await store.usage.add([event])
    assert [event] == await store.usage.list(UsageFilter(request_id=(text,)), limit=2)


async def test_times_of_any_zone_are_instants(store: Store) -> None:
    """They are kept, ordered and filtered in UTC, with or without a fraction of a second."""
    zones = [UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-11, seconds=30))]
    instants = [NOON - SECOND, NOON, LATER, NOON + timedelta(microseconds=100_000), NOON + SECOND]
    events = [an_event(started_at=at.astimezone(zone)) for zone in zones for at in instants]
    await store.usage.add(events)
    assert sorted(events, key=lambda event: event.id, reverse=True) == await store.usage.list(
        EVERYTHING, limit=20
    )
    for start in instants:
        (row,) = await sums_in(store, UsageFilter(start=start, end=NOON + SECOND), group_by=[], limit=1)
        assert row.requests == len([at for at in instants if start <= at < NOON + SECOND]) * len(zones)


async def test_the_first_writing_of_an_event_stands(store: Store) -> None:
    """What was accounted for is not changed afterwards."""
    event = an_event()
    await store.usage.add([event])
    await store.usage.add([msgspec.structs.replace(event, status=200)])
    assert [event] == await store.usage.list(EVERYTHING, limit=10)


async def test_one_batch_written_by_two_at_once_counts_once(store: Store, store_url: str) -> None:
    """Two processes that replay one journal neither lose nor double an event, nor a token's count."""
    token = a_token()
    await store.tokens.add(token)
    events = [an_event(token) for _ in range(60)]

    async with opened(store_url) as other:
        new = await asyncio.gather(
            *((store, other)[number % 2].usage.add(events[number * 5 :]) for number in range(6)),
            *((store, other)[number % 2].usage.add(events) for number in range(4)),
        )

    assert sum(new) == 60
    assert len(await store.usage.list(EVERYTHING, limit=100)) == 60
    counted = await store.tokens.get(token.id)
    assert counted is not None
    assert counted.request_count == 60


async def test_events_move_their_tokens(store: Store) -> None:
    """Tokens without a limit are counted here; those with one were, and only their last use moves."""
    free, limited, unused = a_token(), a_token(max_requests=9), a_token()
    for token in (free, limited, unused):
        await store.tokens.add(token)

    events = [
        *(an_event(free, started_at=at) for at in (NOON, LATER, NOON - SECOND)),
        an_event(limited, started_at=NOON),
    ]
    await store.usage.add([*events, an_event()])
    await store.usage.add(events)

    assert msgspec.structs.replace(free, request_count=3, last_used_at=LATER) == await store.tokens.get(
        free.id
    )
    assert msgspec.structs.replace(limited, last_used_at=NOON) == await store.tokens.get(limited.id)
    assert unused == await store.tokens.get(unused.id)


@pytest.mark.parametrize(
    "where",
    [
        UsageFilter(project_id=("prj_2",)),
        UsageFilter(token_id=("tok_2",)),
        UsageFilter(model_served=("m2",)),
        UsageFilter(upstream=("u2",)),
        UsageFilter(request_id=("r2",)),
        UsageFilter(start=LATER),
        UsageFilter(end=LATER),
        UsageFilter(start=NOON, end=LATER, model_served=("m2",)),
    ],
    ids=["project", "token", "model", "upstream", "request", "start", "end", "several"],
)
async def test_filters_leave_out_the_rest(store: Store, where: UsageFilter) -> None:
    """Each filter alone and several together; `start` is inclusive, `end` exclusive."""
    events = [
        msgspec.structs.replace(
            an_event(started_at=started_at),
            project_id=f"prj_{number}",
            token_id=f"tok_{number}",
            model_served=f"m{number}",
            upstream=f"u{number}",
            request_id=f"r{number}",
        )
        for number in (1, 2)
        for started_at in (NOON - SECOND, NOON, LATER)
    ]
    await store.usage.add(events)

    expected = sorted((event for event in events if fits(event, where)), key=lambda e: e.id, reverse=True)
    assert 0 < len(expected) < len(events)
    assert expected == await store.usage.list(where, limit=10)
    (row,) = await sums_in(store, where, group_by=[], limit=10)
    assert len(expected) == row.requests


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(0, 11), limit=st.integers(1, 5))
async def test_pages_hold_every_event_once_newest_first(
    fresh_store: FreshStore, count: int, limit: int
) -> None:
    """Whatever the size of a page."""
    events = [an_event() for _ in range(count)]
    async with fresh_store() as store:
        await store.usage.add(events)
        found: list[UsageEvent] = []
        while page := await store.usage.list(EVERYTHING, before=found[-1].id if found else "", limit=limit):
            assert len(page) <= limit
            found += page
    assert sorted(events, key=lambda event: event.id, reverse=True) == found


counts = st.integers(0, 2**40)
usage_events = st.builds(
    UsageEvent,
    id=st.builds(new_id, st.just(Prefix.REQUEST)),
    request_id=st.just("r"),
    project_id=st.sampled_from(["prj_1", "prj_2"]),
    token_id=st.sampled_from(["tok_1", "tok_2", "tok_3"]),
    model_served=st.sampled_from(["", "gpt-5", "größte"]),
    upstream=st.sampled_from(["", "openai", "Azure"]),
    endpoint=st.just("chat_completions"),
    status=st.sampled_from([200, 399, 400, 499, 503]),
    tokens=st.builds(
        TokenCounts,
        prompt=counts,
        completion=counts,
        cached=counts,
        reasoning=counts,
        audio_milliseconds=counts,
        images=counts,
        characters=counts,
        pages=counts,
        confidence=st.sampled_from(Confidence),
    ),
    cost_nano_dollars=st.none() | counts,
    started_at=st.sampled_from(
        [datetime(2026, 1, day, hour, 59, 59, 999_999, UTC) for day in (9, 10) for hour in (0, 9, 23)]
    ),
)
_GUESSED = {Confidence.ESTIMATED, Confidence.PENDING}
SETS_OF_GROUPS = list(chain.from_iterable(combinations(GROUPS, size) for size in range(len(GROUPS) + 1)))


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    events=st.lists(usage_events, min_size=1, max_size=25),
    order=st.permutations(list(GROUPS)),
    where=st.builds(
        UsageFilter,
        project_id=st.sampled_from([(), (), ("prj_1",)]),
        start=st.sampled_from([None, None, datetime(2026, 1, 9, 9, tzinfo=UTC)]),
    ),
    limit=st.sampled_from([3, 1000]),
)
async def test_sums_are_those_of_the_events(
    fresh_store: FreshStore,
    events: list[UsageEvent],
    order: list[UsageGroup],
    where: UsageFilter,
    limit: int,
) -> None:
    """For every set of groups, in any order: what a slow sum over the same events says, first rows first."""
    async with fresh_store() as store:
        await store.usage.add(events)
        for groups in SETS_OF_GROUPS:
            group_by = sorted(groups, key=order.index)
            assert slow_sums(events, where, group_by)[:limit] == await sums_in(
                store, where, group_by=group_by, limit=limit
            )


async def test_the_sum_of_nothing_is_one_row_of_zeros(store: Store) -> None:
    """Without groups there is always a total; with groups there is a row only for what is there."""
    assert [UsageRow()] == await sums_in(store, EVERYTHING, group_by=[], limit=10)
    assert await sums_in(store, EVERYTHING, group_by=[UsageGroup.MODEL], limit=10) == []


def fits(event: UsageEvent, where: UsageFilter) -> bool:
    """Return whether a filter lets an event through."""
    names = (*("project_id", "token_id", "model_served", "upstream", "request_id", "endpoint", "error_code"),)
    return (
        all(getattr(event, name) in (getattr(where, name) or (getattr(event, name),)) for name in names)
        and (not where.statuses or any(first <= event.status < end for first, end in where.statuses))
        and where.streamed in (None, event.streamed)
        and (where.start is None or event.started_at >= where.start)
        and (where.end is None or event.started_at < where.end)
    )


def slow_sums(
    events: Sequence[UsageEvent], where: UsageFilter, group_by: Sequence[UsageGroup]
) -> list[UsageRow]:
    """Return what `sum` should."""

    def key(event: UsageEvent) -> tuple[str | datetime, ...]:
        hour = event.started_at.replace(minute=0, second=0, microsecond=0)
        values: dict[UsageGroup, str | datetime] = {
            UsageGroup.PROJECT: event.project_id,
            UsageGroup.TOKEN: event.token_id,
            UsageGroup.MODEL: event.model_served,
            UsageGroup.UPSTREAM: event.upstream,
            UsageGroup.DAY: hour.replace(hour=0),
            UsageGroup.HOUR: hour,
        }
        return tuple(values[by] for by in group_by)

    groups: dict[tuple[str | datetime, ...], list[UsageEvent]] = {} if group_by else {(): []}
    for event in events:
        if fits(event, where):
            groups.setdefault(key(event), []).append(event)
    rows = []
    for values in sorted(groups):
        named = dict(zip(group_by, values, strict=True))
        members = groups[values]
        rows.append(
            UsageRow(
                project_id=str(named.get(UsageGroup.PROJECT, "")),
                token_id=str(named.get(UsageGroup.TOKEN, "")),
                model_served=str(named.get(UsageGroup.MODEL, "")),
                upstream=str(named.get(UsageGroup.UPSTREAM, "")),
                start=msgspec.convert(named.get(UsageGroup.HOUR, named.get(UsageGroup.DAY)), datetime | None),
                requests=len(members),
                failed_requests=len([event for event in members if event.status >= 400]),
                estimated_requests=len([event for event in members if event.tokens.confidence in _GUESSED]),
                prompt_tokens=sum(event.tokens.prompt for event in members),
                completion_tokens=sum(event.tokens.completion for event in members),
                cached_tokens=sum(event.tokens.cached for event in members),
                reasoning_tokens=sum(event.tokens.reasoning for event in members),
                audio_milliseconds=sum(event.tokens.audio_milliseconds for event in members),
                images=sum(event.tokens.images for event in members),
                characters=sum(event.tokens.characters for event in members),
                pages=sum(event.tokens.pages for event in members),
                cost_nano_dollars=sum(event.cost_nano_dollars or 0 for event in members),
                priced_requests=len([event for event in members if event.cost_nano_dollars is not None]),
            )
        )
    return rows


async def sums_in(
    store: Store, where: UsageFilter, *, group_by: Sequence[UsageGroup], limit: int
) -> list[UsageRow]:
    """Return the rows in UTC that the groups of a store make."""
    question = Question(group_by=tuple(group_by), limit=limit)
    return list((await summarize(store.usage, where, question, Times(ZoneInfo("UTC")))).rows)
