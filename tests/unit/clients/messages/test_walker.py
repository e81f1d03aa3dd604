"""Every field of every message is held by an attribute, and what was written is read as the same."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import tollkeeper
from google.protobuf.descriptor import Descriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from tollkeeper.messages import MessageError, Problem, clear_defaults, fill, read, read_fields, write
from tollkeeper.messages.fields import changeable, descriptor_of, words_of
from tollkeeper.messages.plans import plan_of
from tollkeeper.v1 import (
    configuration_service_pb2,
    gateway_service_pb2,
    group_service_pb2,
    limit_pb2,
    limit_service_pb2,
    listener_service_pb2,
    model_service_pb2,
    price_pb2,
    price_service_pb2,
    project_service_pb2,
    session_service_pb2,
    status_service_pb2,
    token_service_pb2,
    traffic_pb2,
    upstream_service_pb2,
    usage_service_pb2,
)
from tollkeeper.values import explanation, limits, price, revisions, status, traffic, upstream_testing
from tollkeeper.values.traffic import (
    Breaker,
    HeaderAction,
    HeaderOperation,
    Member,
    Retry,
    Strategy,
    TrafficPolicy,
    TrafficTimeouts,
)
from tollkeeper.values.upstream import Provider
from tollkeeper.values.usage import UsageGroup

from tests.unit.clients.messages.drawn import values_of, whole

HELD: dict[type[Any], type[Message]] = {
    tollkeeper.Project: project_service_pb2.Project,
    tollkeeper.RevokedTokens: project_service_pb2.RevokeProjectTokensResponse,
    tollkeeper.Token: token_service_pb2.Token,
    tollkeeper.RevokedBatch: token_service_pb2.BatchRevokeTokensResponse,
    tollkeeper.UnrevokedToken: token_service_pb2.UnrevokedToken,
    tollkeeper.MintedToken: token_service_pb2.CreateTokenResponse,
    tollkeeper.RotatedToken: token_service_pb2.RotateTokenResponse,
    tollkeeper.Timeouts: upstream_service_pb2.Timeouts,
    tollkeeper.Upstream: upstream_service_pb2.Upstream,
    tollkeeper.ConnectFailure: upstream_service_pb2.ConnectFailure,
    upstream_testing.UpstreamTestResult: upstream_service_pb2.UpstreamTestResult,
    upstream_testing.UpstreamTest: upstream_service_pb2.TestUpstreamResponse,
    upstream_testing.UpstreamModel: upstream_service_pb2.UpstreamModel,
    tollkeeper.Model: model_service_pb2.Model,
    tollkeeper.UsageAttempt: usage_service_pb2.UsageAttempt,
    tollkeeper.UsageDetails: usage_service_pb2.UsageDetails,
    tollkeeper.UsageEvent: usage_service_pb2.UsageEvent,
    tollkeeper.RevokedSessions: session_service_pb2.RevokeAllSessionsResponse,
    tollkeeper.Session: session_service_pb2.Session,
    tollkeeper.UsagePercentiles: usage_service_pb2.UsagePercentiles,
    tollkeeper.UsageSums: usage_service_pb2.UsageSums,
    tollkeeper.UsageRow: usage_service_pb2.UsageRow,
    tollkeeper.UsageNews: usage_service_pb2.WatchUsageEventsResponse,
    tollkeeper.UsageSummary: usage_service_pb2.SummarizeUsageResponse,
    tollkeeper.FieldChange: configuration_service_pb2.FieldChange,
    tollkeeper.ConfigurationChange: configuration_service_pb2.ConfigurationChange,
    tollkeeper.Reference: configuration_service_pb2.Reference,
    tollkeeper.KeptEntity: configuration_service_pb2.KeptEntity,
    revisions.Revision: configuration_service_pb2.Revision,
    revisions.RevisionChange: configuration_service_pb2.RevisionChange,
    tollkeeper.AppliedConfiguration: configuration_service_pb2.ApplyConfigurationResponse,
    status.PartStatus: status_service_pb2.PartStatus,
    status.JournalStatus: status_service_pb2.JournalStatus,
    status.CertificateStatus: status_service_pb2.CertificateStatus,
    status.ProcessStatus: status_service_pb2.ProcessStatus,
    status.ProbeStatus: status_service_pb2.ProbeStatus,
    status.UpstreamStatus: status_service_pb2.UpstreamStatus,
    status.ListenerStatus: status_service_pb2.ListenerStatus,
    status.Setting: status_service_pb2.Setting,
    status.Attention: status_service_pb2.Attention,
    status.StatusNews: status_service_pb2.WatchStatusResponse,
    traffic.HeaderOperation: upstream_service_pb2.HeaderOperation,
    traffic.Breaker: upstream_service_pb2.Breaker,
    traffic.Probe: upstream_service_pb2.Probe,
    traffic.TrafficPolicy: traffic_pb2.TrafficPolicy,
    traffic.TrafficTimeouts: traffic_pb2.TrafficTimeouts,
    traffic.Retry: traffic_pb2.Retry,
    traffic.Member: group_service_pb2.Member,
    traffic.Group: group_service_pb2.Group,
    traffic.Rule: listener_service_pb2.Rule,
    traffic.IpLimit: listener_service_pb2.IpLimit,
    traffic.Listener: listener_service_pb2.Listener,
    traffic.Price: model_service_pb2.Price,
    price.PriceRates: price_pb2.PriceRates,
    price.PriceTier: price_pb2.PriceTier,
    price.ServicePrice: price_pb2.ServicePrice,
    price.DatedPrice: price_pb2.DatedPrice,
    price.ModelPrice: price_pb2.ModelPrice,
    price.Repricing: price_service_pb2.Repricing,
    traffic.Deployment: model_service_pb2.Deployment,
    limits.Limit: limit_pb2.Limit,
    limits.LimitStanding: limit_service_pb2.LimitStanding,
    limits.LimitStandings: limit_service_pb2.ListLimitStandingsResponse,
    limits.BudgetNotice: limit_service_pb2.BudgetNotice,
    limits.Gateway: gateway_service_pb2.Gateway,
    explanation.Verdict: configuration_service_pb2.Verdict,
    explanation.ExplainedMember: configuration_service_pb2.ExplainedMember,
    explanation.ExplainedReservation: configuration_service_pb2.ExplainedReservation,
    explanation.Explanation: configuration_service_pb2.ExplainRequestResponse,
}
# A header is a pair of texts; a configuration stays a message, which files are read into.
NOT_HELD = {"RequestHeader", "Configuration", "ConfiguredGateway", "ConfiguredProject", "ConfiguredToken"}
FILES = (
    configuration_service_pb2,
    gateway_service_pb2,
    group_service_pb2,
    limit_pb2,
    limit_service_pb2,
    listener_service_pb2,
    model_service_pb2,
    price_pb2,
    price_service_pb2,
    project_service_pb2,
    session_service_pb2,
    status_service_pb2,
    token_service_pb2,
    traffic_pb2,
    upstream_service_pb2,
    usage_service_pb2,
)
UPSTREAM = upstream_service_pb2.CreateUpstreamRequest
TOKEN = token_service_pb2.CreateTokenRequest
GROUP = group_service_pb2.CreateGroupRequest
MODEL = model_service_pb2.CreateModelRequest
LISTENER = listener_service_pb2.CreateListenerRequest
EXPLAIN = configuration_service_pb2.ExplainRequestRequest
NOW = datetime(2026, 1, 1, tzinfo=UTC)
WRONG_TIMEOUTS = "timeouts: must be Timeouts, not TrafficTimeouts"
FAR_WITHIN = TrafficPolicy(retry=Retry(max="5s"))  # type: ignore[arg-type]  # a wrong type is what is tested
each_pair = pytest.mark.parametrize(("kind", "message"), HELD.items(), ids=lambda it: it.__name__)


def test_every_message_has_a_class_but_requests_and_what_only_wraps_an_answer() -> None:
    held = {it.DESCRIPTOR.name for it in HELD.values()}
    free = {
        it.name
        for file in FILES
        for it in file.DESCRIPTOR.message_types_by_name.values()
        if not it.name.endswith("Request") and not _only_wraps(it, held)
    }

    assert free - held == NOT_HELD


def _only_wraps(message: Descriptor, held: set[str]) -> bool:
    answers = [it for it in message.fields if it.name not in {"next_page_token", "total_size", "revision"}]
    return message.name.endswith("Response") and (
        not answers
        or (
            len(answers) == 1
            and answers[0].message_type is not None
            and answers[0].message_type.name in held | NOT_HELD
            and message.name not in held
        )
    )


@each_pair
def test_every_field_has_an_attribute_and_every_attribute_a_field(
    kind: type[Any], message: type[Message]
) -> None:
    plan = plan_of(kind, descriptor_of(message))

    assert plan.missing == set()
    assert [it.attribute for it in plan.parts.values()] == list(kind.__dataclass_fields__)


@each_pair
@settings(max_examples=20)
@given(data=st.data())
def test_a_message_that_is_read_and_written_is_the_same(
    kind: type[Any], message: type[Message], data: st.DataObject
) -> None:
    asked = data.draw(whole(descriptor_of(message)))

    assert write(read(kind, asked), message()) == asked


@each_pair
@settings(max_examples=20)
@given(data=st.data())
def test_a_value_that_is_written_and_read_is_the_same(
    kind: type[Any], message: type[Message], data: st.DataObject
) -> None:
    value = data.draw(values_of(kind, descriptor_of(message)))

    assert read(kind, write(value, message())) == value


OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda it: timezone(timedelta(minutes=it)))
# Timestamps reach from year 1 to year 9999 in UTC.
TIMES = st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=OFFSETS)  # noqa: DTZ001 - the offset is drawn


@given(TIMES)
def test_times_keep_their_moment(given: datetime) -> None:
    token = read(tollkeeper.Token, fill(token_service_pb2.Token(), expires_at=given))

    assert token.expires_at == given
    assert token.expires_at.tzinfo is UTC


@given(st.timedeltas(min_value=timedelta(), max_value=timedelta(days=1)))
def test_lengths_of_time_are_exact(length: timedelta) -> None:
    assert read(Breaker, write(Breaker(window=length), upstream_service_pb2.Breaker())).window == length


def test_what_is_unset_is_the_default() -> None:
    assert read(Member, group_service_pb2.Member(upstream="a")) == Member("a")
    assert read(Breaker, upstream_service_pb2.Breaker()) == Breaker()
    upstream = read(tollkeeper.Upstream, upstream_service_pb2.Upstream())
    assert (upstream.provider, upstream.timeouts) == (Provider.UNKNOWN, tollkeeper.Timeouts())
    assert (upstream.probe, upstream.created_at, upstream.header_operations) == (None, None, ())


def test_a_word_that_is_newer_is_unknown() -> None:
    newer = model_service_pb2.Model.FromString(b"\x1a\x01\x63")  # capabilities: [99]

    assert read(tollkeeper.Model, newer).capabilities == (tollkeeper.Capability.UNKNOWN,)


def test_everything_that_can_not_be_sent_is_told_at_once_by_path() -> None:
    with pytest.raises(MessageError) as refused:
        fill(
            upstream_service_pb2.CreateUpstreamRequest(),
            provider=Provider.UNKNOWN,
            header_operations=[
                HeaderOperation(HeaderAction.INSERT, "x-a"),
                HeaderOperation(HeaderAction.UNKNOWN, "x-b"),
            ],
            breaker=Breaker(min_calls=2**40, cooldown=float("inf")),  # type: ignore[arg-type]  # no timedelta is out of range
        )

    assert [it.path for it in refused.value.problems] == [
        "provider",
        "header_operations[1].action",
        "breaker.cooldown",
        "breaker.min_calls",
    ]
    assert str(refused.value).startswith("provider: PROVIDER_UNKNOWN can't be sent; expected one of openai, ")
    assert str(2**40) not in str(refused.value)


WRONG_TYPES: dict[str, tuple[type[Message], str, object, str]] = {
    "a number for a message": (UPSTREAM, "probe", 5, "probe: must be Probe, not int"),
    "a mapping for a message": (UPSTREAM, "timeouts", {"connect": 5}, "timeouts: must be Timeouts, not dict"),
    "a tuple for a message": (GROUP, "members", [("a", 1)], "members[0]: must be Member, not tuple"),
    "a value of another class": (UPSTREAM, "probe", Breaker(), "probe: must be Probe, not Breaker"),
    "a class whose attributes differ": (UPSTREAM, "timeouts", TrafficTimeouts(), WRONG_TIMEOUTS),
    "a class itself": (UPSTREAM, "breaker", Breaker, "breaker: must be Breaker, not type"),
    "a text for a message": (UPSTREAM, "timeouts", "5s", "timeouts: must be Timeouts, not str"),
    "another message": (
        UPSTREAM,
        "probe",
        upstream_service_pb2.Breaker(),
        "probe: must be Probe, not Breaker",
    ),
    "a text for a time": (TOKEN, "expires_at", "x", "expires_at: must be datetime, not str"),
    "a length for a time": (TOKEN, "expires_at", timedelta(1), "expires_at: must be datetime, not timedelta"),
    "a time for a length": (LISTENER, "head_timeout", NOW, "head_timeout: must be timedelta, not datetime"),
    "truth for a length": (LISTENER, "head_timeout", True, "head_timeout: must be timedelta, not bool"),
    "a number for a text": (UPSTREAM, "base_url", 5, "base_url: must be str, not int"),
    "a list for a secret": (UPSTREAM, "api_key", ["sk-canary"], "api_key: must be str, not list"),
    "a text for a number": (TOKEN, "max_requests", "5", "max_requests: must be int, not str"),
    "a fraction for a number": (TOKEN, "max_requests", 0.5, "max_requests: must be int, not float"),
    "a text for truth": (UPSTREAM, "is_active", "no", "is_active: must be bool, not str"),
    "a fraction for a word": (UPSTREAM, "provider", 0.5, "provider: must be Provider, not float"),
    "a text for a list": (MODEL, "aliases", "gpt", "aliases: must be a list of str, not str"),
    "a mapping for a list": (GROUP, "members", {"a": 1}, "members: must be a list of Member, not dict"),
    "a number for a list": (MODEL, "fallbacks", 5, "fallbacks: must be a list of str, not int"),
    "a number in a list": (MODEL, "aliases", ["a", 5], "aliases[1]: must be str, not int"),
    "a fraction in a list of words": (
        MODEL,
        "capabilities",
        [0.5],
        "capabilities[0]: must be Capability, not float",
    ),
    "within a value": (GROUP, "members", [Member("a", "b")], "members[0].weight: must be int, not str"),  # type: ignore[arg-type]  # tested
    "far within": (GROUP, "policy", FAR_WITHIN, "policy.retry.max: must be timedelta, not str"),
    "a header's value": (EXPLAIN, "headers", {"x-a": 5}, "headers[0].value: must be str, not int"),
    "headers": (EXPLAIN, "headers", 5, "headers: must be a dict of str to str, not int"),
    "three texts for a header": (
        EXPLAIN,
        "headers",
        [("a",) * 3],
        "headers[0]: must be RequestHeader, not tuple",
    ),
}


@pytest.mark.parametrize(("request_class", "field", "value", "told"), WRONG_TYPES.values(), ids=WRONG_TYPES)
def test_a_value_of_a_wrong_type_is_refused_by_path_and_not_shown(
    request_class: type[Message], field: str, value: object, told: str
) -> None:
    with pytest.raises(MessageError) as refused:
        fill(request_class(), **{field: value})

    assert str(refused.value) == told


ANYTHING = st.one_of(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    st.dates() | st.timedeltas() | st.datetimes(),
    st.lists(st.integers() | st.text()) | st.dictionaries(st.text(), st.integers()),
    st.builds(object) | st.just(Breaker) | st.builds(Breaker) | st.tuples(st.text(), st.text()),
)


@given(st.sampled_from([UPSTREAM, TOKEN, GROUP, MODEL, LISTENER, EXPLAIN]), st.data())
def test_any_value_is_taken_or_refused_by_the_name_of_its_field(
    request_class: type[Message], data: st.DataObject
) -> None:
    field = data.draw(st.sampled_from([it.name for it in descriptor_of(request_class).fields]))

    problems: tuple[Problem, ...] = ()
    try:
        fill(request_class(), **{field: data.draw(ANYTHING)})
    except MessageError as refused:
        problems = refused.problems
    except UnicodeError:
        return

    assert all(it.path.startswith(field) for it in problems)


def test_everything_that_can_not_be_read_is_told_at_once_by_path() -> None:
    token = token_service_pb2.Token()
    token.expires_at.seconds = token.created_at.seconds = 10**15

    with pytest.raises(MessageError) as refused:
        read(tollkeeper.Token, token)

    assert [it.path for it in refused.value.problems] == ["expires_at", "created_at"]
    assert str(refused.value).startswith("expires_at: not a time between the years 1 and 9999; ")


@pytest.mark.parametrize("value", [UsageGroup.MODEL, "model"])
def test_a_word_is_sent_as_its_number(value: object) -> None:
    request = fill(usage_service_pb2.SummarizeUsageRequest(), group_by=[value])

    assert list(request.group_by) == [usage_service_pb2.USAGE_GROUP_MODEL]


def test_a_text_that_is_none_is_told_as_such() -> None:
    with pytest.raises(UnicodeError):
        fill(group_service_pb2.CreateGroupRequest(), members=[Member("\ud800")])


def test_a_field_that_is_not_there_is_refused() -> None:
    with pytest.raises(TypeError, match="GetGroupRequest has no field 'nam'"):
        fill(group_service_pb2.GetGroupRequest(), nam="a")


@dataclass(frozen=True, kw_only=True)
class Half:
    """A policy that lacks attributes."""

    strategy: Strategy = Strategy.RANDOM
    user_agent: str = ""


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """A price whose attribute has another type than the field."""

    prompt: str


def test_a_class_that_lacks_a_field_is_refused_unless_that_is_given_or_left_out() -> None:
    policy = traffic_pb2.TrafficPolicy()
    with pytest.raises(TypeError, match="no attribute for keep_alive, retry, session_header, timeouts"):
        read(Half, policy)
    with pytest.raises(TypeError, match="no attribute for keep_alive, retry, session_header, timeouts"):
        write(Half(), policy)
    rest = ("keep_alive", "retry", "session_header", "timeouts")
    assert write(Half(), policy, **dict.fromkeys(rest)) == traffic_pb2.TrafficPolicy(strategy=3)  # type: ignore[arg-type]  # enums are ints
    with pytest.raises(TypeError, match="no attribute for keep_alive, retry, session_header, timeouts"):
        read_fields(Half, policy)
    assert read_fields(Half, policy, only=["strategy"]) == {"strategy": Strategy.RANDOM}
    assert read_fields(Half, policy, only=["user_agent"]) == {"user_agent": ""}
    with pytest.raises(TypeError, match="can't hold"):
        read(Wrong, model_service_pb2.Price())


@dataclass(frozen=True, kw_only=True)
class Waits:
    """A retry in numbers of units."""

    attempts: int = 2
    initial_ms: int = 500
    max_ms: int = 0
    total_seconds: float = 60.0
    only_safe: bool = False
    budget_percent: int = 20


@given(
    st.builds(
        Waits,
        initial_ms=st.integers(0, 10**7),
        max_ms=st.integers(0, 10**7),
        total_seconds=st.integers(0, 10**12).map(lambda it: it / 1_000_000),
    )
)
def test_a_number_counts_the_unit_of_its_name(waits: Waits) -> None:
    written = write(waits, traffic_pb2.Retry())

    assert written.HasField("max") == (waits.max_ms != 0), "0 is its default, and so unset"
    assert written.initial.ToMilliseconds() == waits.initial_ms
    assert read(Waits, written) == waits


def test_a_part_of_a_unit_is_refused() -> None:
    with pytest.raises(MessageError, match=r"^initial: give whole milliseconds$"):
        read(Waits, traffic_pb2.Retry(initial=Duration(nanos=1)))


def test_defaults_need_not_be_said() -> None:
    retry = Retry(only_safe=True, attempts=1)
    policy = TrafficPolicy(strategy=Strategy.RANDOM, retry=retry)
    written = write(policy, traffic_pb2.TrafficPolicy())

    clear_defaults(policy, written)

    # What says nothing of whether it is set stays.
    assert written == traffic_pb2.TrafficPolicy(
        strategy=3,  # type: ignore[arg-type]  # enums are ints
        retry=write(retry, traffic_pb2.Retry()),
    )


def test_an_update_changes_all_but_what_names_it() -> None:
    fields = changeable(project_service_pb2.UpdateProjectRequest.DESCRIPTOR)

    assert fields == [
        "name", "openai_api_key", "api_key", "is_active", "revoke_tokens", "description", "labels",
        "limits",
    ]  # fmt: skip


@each_pair
def test_enums_have_the_words_of_protobuf(kind: type[Any], message: type[Message]) -> None:
    for part in plan_of(kind, descriptor_of(message)).parts.values():
        if part.field.enum_type is not None:
            words = list(words_of(part.field.enum_type))
            assert [it.value for it in part.kind if it.name != "UNKNOWN"] == words
            assert [it.name.lower() for it in part.kind] == [it.value for it in part.kind]
            assert "UNKNOWN" in part.kind.__members__


def test_sums_are_grouped_by_the_words_of_protobuf() -> None:
    words = words_of(usage_service_pb2.UsageGroup.DESCRIPTOR)

    assert [it.value for it in UsageGroup] == list(words)
