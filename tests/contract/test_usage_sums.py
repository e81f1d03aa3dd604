"""What is answered of a store's events: rows by zones, tops, comparison, percentiles."""

import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tollkeeper_server.domain.histogram import bucket_of, middle_of
from tollkeeper_server.domain.ids import Prefix, new_id
from tollkeeper_server.domain.usage import (
    Confidence,
    TokenCounts,
    UsageAttempt,
    UsageEvent,
    UsageFilter,
    UsageGroup,
)
from tollkeeper_server.domain.usage_sums import (
    Question,
    UsageOrder,
    UsagePercentiles,
    UsageRow,
    UsageSums,
)
from tollkeeper_server.management.usage_summary import summarize
from tollkeeper_server.management.usage_times import Times
from tollkeeper_server.store.ports import Store

from tests.contract.conftest import FreshStore
from tests.contract.entities import NOON, a_token, an_event

Place = tuple[tuple[str | int, ...] | None, tuple[datetime, ...]]
TIMES = (UsageGroup.MINUTE, UsageGroup.HOUR, UsageGroup.DAY, UsageGroup.WEEK, UsageGroup.MONTH)
# Around the change of clocks in Berlin and New York, and the turn of a year in the middle of a week.
MOMENTS = [
    datetime(2026, 12, 28, tzinfo=UTC),
    datetime(2026, 12, 31, 22, 59, 59, 999_999, tzinfo=UTC),
    datetime(2026, 12, 31, 23, tzinfo=UTC),
    datetime(2027, 1, 1, 4, 59, tzinfo=UTC),
    datetime(2027, 1, 3, 18, 29, tzinfo=UTC),
    datetime(2027, 1, 3, 18, 30, tzinfo=UTC),
    datetime(2027, 3, 14, 6, 59, tzinfo=UTC),
    datetime(2027, 3, 14, 7, 0, 1, tzinfo=UTC),
    datetime(2027, 3, 28, 0, 30, tzinfo=UTC),
    datetime(2027, 3, 28, 1, 30, tzinfo=UTC),
    datetime(2027, 3, 28, 22, 5, tzinfo=UTC),
]
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu"]
START, END = datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 4, 1, tzinfo=UTC)
events_of_any_kind = st.builds(
    UsageEvent,
    id=st.builds(new_id, st.just(Prefix.REQUEST)),
    request_id=st.just("r"),
    project_id=st.sampled_from(["prj_1", "prj_2", "prj_3"]),
    token_id=st.just("tok_1"),
    model_served=st.sampled_from(["", "gpt-5", "größte"]),
    upstream=st.sampled_from(["", "openai"]),
    endpoint=st.sampled_from(["chat_completions", "embeddings"]),
    status=st.sampled_from([200, 204, 404, 429, 503]),
    error_code=st.sampled_from(["", "upstream_timeout"]),
    streamed=st.booleans(),
    tokens=st.builds(
        TokenCounts,
        prompt=st.integers(0, 2**40),
        completion=st.integers(0, 5),
        confidence=st.sampled_from(Confidence),
    ),
    cost_nano_dollars=st.none() | st.integers(0, 2**53),
    first_byte_us=st.sampled_from([0, 7, 3_000]),
    duration_us=st.integers(0, 2**40),
    started_at=st.sampled_from(MOMENTS),
)
filters = st.builds(
    UsageFilter,
    project_id=st.sampled_from([(), (), ("prj_1", "prj_3")]),
    endpoint=st.sampled_from([(), (), ("embeddings",)]),
    statuses=st.sampled_from([(), (), ((400, 500), (200, 201))]),
    streamed=st.sampled_from([None, None, True, False]),
    start=st.just(START),
    end=st.just(END),
)
groups = st.lists(st.sampled_from(list(UsageGroup)), max_size=3, unique=True)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    events=st.lists(events_of_any_kind, max_size=25),
    where=filters,
    group_by=groups,
    name=st.sampled_from(ZONES),
    order=st.sampled_from(UsageOrder),
    top=st.sampled_from([0, 0, 1, 2]),
    limit=st.sampled_from([2, 1000]),
)
async def test_rows_are_those_of_a_slow_sum(
    fresh_store: FreshStore,
    events: list[UsageEvent],
    where: UsageFilter,
    group_by: list[UsageGroup],
    name: str,
    order: UsageOrder,
    top: int,
    limit: int,
) -> None:
    """In any zone, of any groups, filters and orders; compared with the time before, and with percentiles."""
    if not set(group_by) - set(TIMES):
        top = 0
    zone = ZoneInfo(name)
    question = Question(group_by=tuple(group_by), order=order, top=top, limit=limit, percentiles=True)
    before = Times(zone).before(START, END)
    async with fresh_store() as store:
        await store.usage.add(events)
        found = await summarize(store.usage, where, question, Times(zone), before)
    slow = SlowSummary(events, where, question, zone, before)
    assert list(found.rows) == slow.rows[:limit]
    assert found.totals == slow.totals
    assert found.truncated == (len(slow.rows) > limit)


class SlowSummary:
    """The rows and totals, from lists of events."""

    def __init__(
        self,
        events: Sequence[UsageEvent],
        where: UsageFilter,
        question: Question,
        zone: ZoneInfo,
        before: datetime,
    ) -> None:
        self._question = question
        self._zone = zone
        self._fields = [by for by in question.group_by if by not in TIMES]
        self._times = [by for by in question.group_by if by in TIMES]
        present = [event for event in events if fits(event, where)]
        earlier = [
            event for event in events if fits(event, msgspec.structs.replace(where, start=before, end=START))
        ]
        top: list[tuple[str | int, ...]] | None = None
        if question.top:
            sizes = {self._key(it): [e for e in present if self._key(e) == self._key(it)] for it in present}
            top = sorted(sizes, key=lambda key: (-self._size(sizes[key]), key))[: question.top]
        rows: dict[Place, tuple[list[UsageEvent], list[UsageEvent]]] = {}
        for event in present:
            rows.setdefault(self._place(event, top), ([], []))[0].append(event)
        numbered = {
            (fields, tuple(map(self._number, self._times, times, [START] * 9))): (fields, times)
            for fields, times in rows
        }
        for event in earlier:
            fields, times = self._place(event, top)
            numbers = tuple(map(self._number, self._times, times, [before] * 9))
            if (place := numbered.get((fields, numbers))) is not None:
                rows[place][1].append(event)
        if not question.group_by and not rows:
            rows[(), ()] = [], earlier
        places = sorted(rows, key=lambda place: self._order(place, top, rows[place][0]))
        self.rows = [self._row(place, *rows[place]) for place in places]
        self.totals = self._row(((), ()), present, earlier)

    def _key(self, event: UsageEvent) -> tuple[str | int, ...]:
        values: dict[UsageGroup, str | int] = {
            UsageGroup.PROJECT: event.project_id,
            UsageGroup.TOKEN: event.token_id,
            UsageGroup.MODEL: event.model_served,
            UsageGroup.UPSTREAM: event.upstream,
            UsageGroup.ENDPOINT: event.endpoint,
            UsageGroup.STATUS_CLASS: event.status // 100,
            UsageGroup.ERROR_CODE: event.error_code,
        }
        return tuple(values[by] for by in self._fields)

    def _place(self, event: UsageEvent, top: list[tuple[str | int, ...]] | None) -> Place:
        key = self._key(event)
        times = tuple(self._start(by, event.started_at) for by in self._times)
        return (key if top is None or key in top else None), times

    def _start(self, by: UsageGroup, at: datetime) -> datetime:
        local = at.astimezone(self._zone)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        match by:
            case UsageGroup.MINUTE:
                start = at.replace(second=0, microsecond=0)
            case UsageGroup.HOUR:
                start = local.replace(minute=0, second=0, microsecond=0)
            case UsageGroup.DAY:
                start = midnight
            case UsageGroup.WEEK:
                start = midnight - timedelta(days=local.isoweekday() - 1)
            case _:
                start = midnight.replace(day=1)
        return start.astimezone(UTC)

    def _number(self, by: UsageGroup, start: datetime, first: datetime) -> int:
        """Return how many minutes, hours, … there are from the one of `first` to the one that begins then."""
        beginning = self._start(by, first)
        match by:
            case UsageGroup.MINUTE:
                return int((start - beginning) / timedelta(minutes=1))
            case UsageGroup.HOUR:
                return int((start - beginning) / timedelta(hours=1))
            case UsageGroup.MONTH:
                one, other = (it.astimezone(self._zone) for it in (beginning, start))
                return other.year * 12 + other.month - one.year * 12 - one.month
        # Half a day makes up for an hour more or less.
        days = (start - beginning + timedelta(hours=12)) // timedelta(days=1)
        return days // 7 if by is UsageGroup.WEEK else days

    def _size(self, events: Sequence[UsageEvent]) -> int:
        sums = sums_of(events)
        match self._question.order:
            case UsageOrder.GROUP | UsageOrder.REQUESTS:
                return sums.requests
            case UsageOrder.TOKENS:
                return sums.prompt_tokens + sums.completion_tokens
            case UsageOrder.COST:
                return sums.cost_nano_dollars
            case other:
                return int(getattr(sums, other.value))

    def _order(
        self, place: Place, top: list[tuple[str | int, ...]] | None, events: Sequence[UsageEvent]
    ) -> tuple[Any, ...]:
        fields, times = place
        if top is not None:
            return (len(top) if fields is None else top.index(fields)), times
        value, time = iter(fields or ()), iter(times)
        groups = tuple(next(time) if by in TIMES else next(value) for by in self._question.group_by)
        return (0 if self._question.order is UsageOrder.GROUP else -self._size(events)), groups

    def _row(self, place: Place, events: Sequence[UsageEvent], earlier: Sequence[UsageEvent]) -> UsageRow:
        fields, times = place
        names = {
            UsageGroup.MODEL: "model_served",
            UsageGroup.PROJECT: "project_id",
            UsageGroup.TOKEN: "token_id",
        }
        named: dict[str, Any] = {
            names.get(by, by.value): f"{value}xx" if by is UsageGroup.STATUS_CLASS else value
            for by, value in zip(self._fields, fields or (), strict=False)
        }
        return UsageRow(
            **msgspec.structs.asdict(sums_of(events)),
            **named,
            start=max(times, default=None),
            is_rest=fields is None,
            previous=sums_of(earlier),
            duration=percentiles(event.duration_us for event in events),
            first_byte=percentiles(event.first_byte_us for event in events),
        )


def percentiles(lengths: Iterable[int]) -> UsagePercentiles:
    """Return the percentiles of lengths of time above 0, each as a histogram tells it."""
    known = sorted(length for length in lengths if length)
    ranks = [-(-len(known) * percent // 100) for percent in (50, 90, 95, 99)]
    return UsagePercentiles(*(middle_of(bucket_of(known[rank - 1])) if known else 0 for rank in ranks))


def sums_of(events: Sequence[UsageEvent]) -> UsageSums:
    """Return the sums of events."""
    guessed = {Confidence.ESTIMATED, Confidence.PENDING}
    return UsageSums(
        requests=len(events),
        failed_requests=len([event for event in events if event.status >= 400]),
        estimated_requests=len([event for event in events if event.tokens.confidence in guessed]),
        prompt_tokens=sum(event.tokens.prompt for event in events),
        completion_tokens=sum(event.tokens.completion for event in events),
        cost_nano_dollars=sum(event.cost_nano_dollars or 0 for event in events),
        priced_requests=len([event for event in events if event.cost_nano_dollars is not None]),
    )


def fits(event: UsageEvent, where: UsageFilter) -> bool:
    """Return whether a filter lets an event through."""
    assert where.start is not None
    assert where.end is not None
    return (
        where.start <= event.started_at < where.end
        and (not where.project_id or event.project_id in where.project_id)
        and (not where.endpoint or event.endpoint in where.endpoint)
        and (not where.statuses or any(first <= event.status < end for first, end in where.statuses))
        and where.streamed in {None, event.streamed}
    )


@pytest.mark.parametrize(
    "where",
    [
        UsageFilter(project_id=("prj_1", "prj_2")),
        UsageFilter(endpoint=("embeddings",)),
        UsageFilter(error_code=("upstream_cut", "upstream_timeout")),
        UsageFilter(statuses=((400, 500), (503, 504))),
        UsageFilter(streamed=False),
    ],
    ids=["projects", "endpoint", "errors", "statuses", "streamed"],
)
async def test_pages_of_events_have_the_same_filters(store: Store, where: UsageFilter) -> None:
    events = [
        msgspec.structs.replace(an_event(), project_id="prj_3", error_code="", status=200),
        msgspec.structs.replace(
            an_event(), endpoint="embeddings", error_code="upstream_cut", status=429, streamed=False
        ),
    ]
    await store.usage.add(events)
    assert await store.usage.list(where, limit=9) == events[1:]


async def test_one_event_is_found_by_its_id(store: Store) -> None:
    event = msgspec.structs.replace(
        an_event(), attempts=(UsageAttempt("ä", 502, milliseconds=2**40, after_milliseconds=2**40),) * 8
    )
    await store.usage.add([an_event(), event])
    assert await store.usage.get(event.id) == event
    assert await store.usage.get("req_nobody") is None


async def test_names_of_tokens_are_found_together(store: Store) -> None:
    tokens = [msgspec.structs.replace(a_token(), name=name) for name in ("größte", "", "ci")]
    for token in tokens:
        await store.tokens.add(token)
    found = await store.tokens.names([tokens[0].id, tokens[1].id, "tok_gone"])
    assert found == {tokens[0].id: "größte", tokens[1].id: ""}
    assert await store.tokens.names([]) == {}


async def test_what_is_summed_is_never_on_the_event_loop(store: Store) -> None:
    loops, seen = threading.get_ident(), set[int]()
    await store.usage.add([an_event(started_at=NOON)])
    for groups_of in ([], [UsageGroup.STATUS_CLASS]):
        await store.usage.sum(
            UsageFilter(), group_by=groups_of, time_length=0, take=lambda _: seen.add(threading.get_ident())
        )
    assert seen
    assert loops not in seen
