"""A description of an entity makes that entity again: an export loses nothing."""

from datetime import UTC, datetime

from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper.configuration import read_document, write_document
from tollkeeper.v1 import (
    group_service_pb2,
    limit_pb2,
    listener_service_pb2,
    model_service_pb2,
    price_pb2,
    upstream_service_pb2,
)
from tollkeeper.v1 import traffic_pb2 as traffic
from tollkeeper.v1.configuration_service_pb2 import Configuration
from tollkeeper_server.management.configuration.described import export
from tollkeeper_server.management.groups import build_group
from tollkeeper_server.management.listeners import build_listener
from tollkeeper_server.management.models import build_model
from tollkeeper_server.management.upstream_builder import UpstreamBuilder
from tollkeeper_server.store.sealed import Sealer, new_key

from tests.contract.issued import issue

NOW = datetime(2026, 3, 4, tzinfo=UTC)
CLIENT = issue("gateway")
UPSTREAMS = UpstreamBuilder(Sealer(new_key()))
MICROSECONDS = st.integers(1_000, 60_000_000)


def lengths(unit: int = 1) -> st.SearchStrategy[Duration]:
    """Lengths of time in whole units, of microseconds."""

    def length(count: int) -> Duration:
        written = Duration()
        written.FromMicroseconds(max(count // unit, 1) * unit)
        return written

    return MICROSECONDS.map(length)


def some(**fields: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    """Any of the fields."""
    return st.fixed_dictionaries({}, optional=fields)


TEXTS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=9)


def in_order(prices: list[price_pb2.DatedPrice]) -> list[price_pb2.DatedPrice]:
    """Return prices of which each begins later than the one before it."""
    for number, price in enumerate(prices):
        if number:
            price.start_time.FromMicroseconds(number)
    return prices


RATES = st.integers(100, 10**9).map(lambda pico: price_pb2.PriceRates(input=pico / 1_000_000))
TIERS = st.lists(RATES.map(lambda it: price_pb2.PriceTier(above=9, rates=it)), max_size=1)
SERVICES = st.builds(price_pb2.ServicePrice, tier=st.just("flex"), rates=RATES, tiers=TIERS)
PRICES = st.lists(
    st.builds(price_pb2.DatedPrice, rates=RATES, tiers=TIERS, services=st.lists(SERVICES, max_size=2)),
    max_size=2,
).map(in_order)
WEIGHTS = some(weight=st.integers(1, 65535))
RETRIES = some(
    attempts=st.integers(0, 100),
    initial=lengths(1000),
    max=lengths(1000),
    total=lengths(),
    only_safe=st.booleans(),
    budget_percent=st.integers(1, 100),
).map(lambda it: traffic.Retry(**it))  # type: ignore[arg-type]  # as drawn
TIMEOUTS = some(connect=lengths(), request=lengths(), idle=lengths()).map(
    lambda it: traffic.TrafficTimeouts(**it)  # type: ignore[arg-type]  # as drawn
)
LIMITS = [
    limit_pb2.Limit(measure=limit_pb2.LIMIT_MEASURE_TOKENS_PER_MINUTE, amount=9, burst=1),
    limit_pb2.Limit(
        measure=limit_pb2.LIMIT_MEASURE_MONEY,
        dollars="4503599.627370496",
        period=limit_pb2.LIMIT_PERIOD_DAY,
        zone="Asia/Tokyo",
        clamp=True,
        allow_unpriced=True,
    ),
    limit_pb2.Limit(
        measure=limit_pb2.LIMIT_MEASURE_TOKENS, amount=1, period=limit_pb2.LIMIT_PERIOD_TOTAL, zone="UTC"
    ),
]
POLICIES = some(
    strategy=st.integers(0, 5),
    user_agent=TEXTS,
    keep_alive=lengths(1_000_000),
    timeouts=TIMEOUTS,
    retry=RETRIES,
    session_header=st.sampled_from(["", "x-session"]),
).map(lambda it: traffic.TrafficPolicy(**it))  # type: ignore[arg-type]  # as drawn


@given(some(policy=POLICIES), WEIGHTS)
def test_a_group_is_made_again(fields: dict[str, object], weight: dict[str, int]) -> None:
    members = [group_service_pb2.Member(upstream="a", **weight), group_service_pb2.Member(upstream="b")]
    group = build_group(group_service_pb2.CreateGroupRequest(name="g", members=members, **fields), now=NOW)  # type: ignore[arg-type]

    exported = export(group, group_service_pb2.CreateGroupRequest())

    assert build_group(exported, now=NOW, previous=group) == group
    assert read_document(write_document(Configuration(groups=[exported])), {}).groups[0] == exported


@given(
    some(
        policy=POLICIES,
        aliases=st.lists(TEXTS.filter(lambda it: it not in {"", "m"}), unique=True, max_size=3),
        capabilities=st.lists(st.integers(1, 10), unique=True, max_size=3),
        fallbacks=st.lists(TEXTS.filter(bool), unique=True, max_size=3),
        fallback_on=st.lists(st.integers(1, 2), unique=True),
        is_active=st.booleans(),
        price=some(prompt=st.integers(0, 9), completion=st.integers(0, 9), cached=st.integers(0, 9)).map(
            lambda it: model_service_pb2.Price(**it)  # type: ignore[arg-type]  # as drawn
        ),
        limits=st.lists(st.sampled_from(LIMITS), unique_by=lambda it: it.measure),
    ),
    WEIGHTS,
    PRICES,
)
def test_a_model_is_made_again(
    fields: dict[str, object], weight: dict[str, int], prices: list[price_pb2.DatedPrice]
) -> None:
    deployments = [model_service_pb2.Deployment(upstream="a", upstream_model="b", prices=prices, **weight)]
    model = build_model(
        model_service_pb2.CreateModelRequest(name="m", deployments=deployments, **fields),  # type: ignore[arg-type]
        now=NOW,
    )

    assert (
        build_model(export(model, model_service_pb2.CreateModelRequest()), now=NOW, previous=model) == model
    )


@given(
    some(
        default_group=st.sampled_from(["", "g"]),
        rules=st.lists(
            st.sampled_from(
                [
                    listener_service_pb2.Rule(group="g", path="/a/:b/*", strip_prefix="/a"),
                    listener_service_pb2.Rule(group="g", header="x-a", pattern="[a-z]+"),
                    listener_service_pb2.Rule(group="g", path="/{a:[0-9]+}", header="x-b", value="c"),
                ]
            ),
            max_size=3,
        ),
        ip_limit=some(per_second=st.integers(1, 10_000), burst=st.integers(1, 20_000)).map(
            lambda it: listener_service_pb2.IpLimit(**it)  # type: ignore[arg-type]  # as drawn
        ),
        head_timeout=lengths(),
        is_active=st.booleans(),
    )
)
def test_a_listener_is_made_again(fields: dict[str, object]) -> None:
    listener = build_listener(
        listener_service_pb2.CreateListenerRequest(name="l", address="127.0.0.1:3001", **fields),  # type: ignore[arg-type]
        now=NOW,
    )

    assert (
        build_listener(
            export(listener, listener_service_pb2.CreateListenerRequest()), now=NOW, previous=listener
        )
        == listener
    )


KINDS = st.sampled_from(
    [
        {"provider": "openai", "organization": "o", "project": "p"},
        {"provider": "openai"},
        {"provider": "azure", "base_url": "https://a.openai.azure.com", "api_version": "2024-10-21"},
        {"provider": "anthropic", "api_key": "k", "api_version": "2023-06-01"},
        {"provider": "generic", "base_url": "http://h/v1", "api_key": "k"},
        {"provider": "generic", "base_url": "http://h", "auth_scheme": "none"},
        {"provider": "generic", "base_url": "http://h", "keep_path": "true", "list_models": "true"},
        {
            "provider": "generic",
            "base_url": "http://h",
            "auth_scheme": "basic",
            "username": "u",
            "api_key": "k",
        },
        {
            "provider": "generic",
            "base_url": "http://h",
            "auth_scheme": "header",
            "auth_header": "x",
            "api_key": "k",
        },
    ]
)


@given(
    KINDS,
    some(
        timeouts=some(connect=lengths(), first_byte=lengths(), idle=lengths(), total=lengths()).map(
            lambda it: upstream_service_pb2.Timeouts(**it)  # type: ignore[arg-type]  # as drawn
        ),
        drain=lengths(3600),
        breaker=some(
            threshold=st.floats(0.01, 1),
            cooldown=lengths(),
            window=lengths(1_000_000),
            min_calls=st.integers(1, 100_000),
        ).map(lambda it: upstream_service_pb2.Breaker(**it)),  # type: ignore[arg-type]  # as drawn
        probe=some(interval=lengths(100_000), timeout=lengths()).map(
            lambda it: upstream_service_pb2.Probe(path="/models", **it)  # type: ignore[arg-type]  # as drawn
        ),
        header_operations=st.lists(
            st.sampled_from(
                [
                    upstream_service_pb2.HeaderOperation(action=2, name="x-a", value="${b"),  # type: ignore[arg-type]
                    upstream_service_pb2.HeaderOperation(action=3, name="x-b"),  # type: ignore[arg-type]
                ]
            ),
            max_size=2,
        ),
        proxy_url=st.just("http://u:p@proxy:8080"),
        is_active=st.booleans(),
        is_default=st.booleans(),
        omit_stream_options=st.booleans(),
        passed_headers=st.lists(st.sampled_from(["Set-Cookie", "alt-svc", "x-a"]), unique=True),
        request_id_header=st.sampled_from(["X-Request-Id", "x-c"]),
    ),
    st.sampled_from([{}, {"client_certificate": CLIENT.pem, "client_key": CLIENT.key_pem}]),
)
def test_an_upstream_is_made_again(
    kind: dict[str, str], fields: dict[str, object], client: dict[str, str]
) -> None:
    (described,) = read_document(f"upstreams: [{kind}]", {}).upstreams
    described.MergeFrom(upstream_service_pb2.CreateUpstreamRequest(name="u", **fields, **client))  # type: ignore[arg-type]
    upstream = UPSTREAMS.build(described, now=NOW)

    exported = export(upstream, upstream_service_pb2.CreateUpstreamRequest())

    assert not exported.api_key
    assert not exported.proxy_url
    assert not exported.client_key
    assert UPSTREAMS.build(exported, now=NOW, previous=upstream) == upstream
    assert UPSTREAMS.build(described, now=NOW, previous=upstream) == upstream
