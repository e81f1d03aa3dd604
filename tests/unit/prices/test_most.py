"""What a request costs at most is no less than what one costs that keeps to it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tollkeeper_server.domain.price import DatedPrice, PriceRates, PriceTier, ServicePrice
from tollkeeper_server.domain.usage import Confidence, TokenCounts, TokenDetails
from tollkeeper_server.prices.bill import cost_of
from tollkeeper_server.prices.book import shipped_book
from tollkeeper_server.prices.given import to_price
from tollkeeper_server.prices.most import Most, bound_of

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
PROVIDERS = ("openai", "anthropic", "google")
LISTED = [it for provider in PROVIDERS for it in shipped_book().models(provider)]


@settings(max_examples=300)
@given(
    st.sampled_from(LISTED),
    st.integers(0, 1_500_000),
    st.integers(0, 200_000),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.sampled_from(["", "priority", "flex", "default"]),
)
def test_no_honest_answer_costs_more(
    listed: object, prompt: int, completion: int, cached: int, written: int, reasoning: int, tier: str
) -> None:
    price = listed.price  # type: ignore[attr-defined]  # hypothesis types nothing of a list's items
    tokens = TokenCounts(
        prompt=prompt,
        completion=completion,
        cached=min(cached, prompt),
        reasoning=min(reasoning, completion),
        confidence=Confidence.EXACT,
        details=TokenDetails(cache_written=written, service_tier=tier),
    )
    cost = cost_of(price, tokens, AT)
    most = bound_of(price, Most(prompt=prompt + 1000, completion=completion + 1), AT.timestamp())
    if most is not None:
        assert cost is not None
        assert most >= cost
    if cost is None:
        assert most is None


def test_the_usual_service_is_cheaper_where_it_is_asked_for() -> None:
    listed = shipped_book().find("openai", "gpt-4o")
    assert listed is not None
    most = Most(prompt=1000, completion=1000)
    usual = bound_of(listed.price, Most(prompt=1000, completion=1000, tier=""), AT.timestamp())
    chosen = bound_of(listed.price, most, AT.timestamp())
    assert (usual, chosen) == (12_500_000, 21_250_000)


@pytest.mark.parametrize(
    ("model", "most"),
    [
        ("whisper-1", Most(prompt=10, completion=10, is_media=True, milliseconds=60_000)),
        ("tts-1", Most(prompt=10, completion=10, is_media=True, characters=1000)),
        ("gpt-image-1", Most(prompt=10, completion=10_000, is_media=True, images=1)),
    ],
)
def test_sound_and_images_have_bounds(model: str, most: Most) -> None:
    listed = shipped_book().find("openai", model)
    assert listed is not None
    assert (bound_of(listed.price, most, AT.timestamp()) or 0) > 0


RATE = st.sampled_from([0.0, 0.5, 3.0, 75.0])
SOME = st.one_of(st.none(), RATE)
KINDS = (
    "cached",
    "cache_write",
    "cache_write_hour",
    "reasoning",
    "audio_input",
    "image_input",
    "audio_output",
)
MORE = dict.fromkeys(KINDS, SOME)
SEARCHES = dict.fromkeys(("web_search", "file_search"), SOME)
RATES = st.builds(
    PriceRates,
    input=RATE,
    output=RATE,
    image=SOME,
    audio_minute=SOME,
    request=SOME,
    character=SOME,
    page=SOME,
    annotated_page=SOME,
    **MORE,
    **SEARCHES,
)
OVERRIDES = st.builds(
    PriceRates,
    input=SOME,
    output=SOME,
    request=SOME,
    image=SOME,
    audio_minute=SOME,
    character=SOME,
    **MORE,
    **SEARCHES,
)
STEPS = st.sampled_from([0, 2, 100])


def tiers(rates: PriceRates, times: float) -> tuple[PriceTier, ...]:
    """Return a tier of long prompts, with some of the same rates times so much."""
    longer = {name: rate * times for name, rate in rates.given().items()}
    return (PriceTier(above=1000, rates=PriceRates(**longer)),) if longer and times else ()


SERVICES = st.builds(
    lambda tier, is_batch, speed, rates, times: ServicePrice(
        tier=tier, is_batch=is_batch, speed=speed, rates=rates, tiers=tiers(rates, times)
    ),
    st.sampled_from(["", "priority", "flex"]),
    st.booleans(),
    st.sampled_from(["", "fast"]),
    OVERRIDES,
    STEPS,
)
DATED = st.builds(
    lambda start, hours, rates, times, services: DatedPrice(
        start_time=start, hours=hours, rates=rates, tiers=tiers(rates, times), services=services
    ),
    st.sampled_from([None, AT - timedelta(days=1), AT, AT + timedelta(days=1)]),
    st.sampled_from(["", "08:00-16:00", "16:30-00:30"]),
    RATES,
    STEPS,
    st.lists(SERVICES, max_size=3).map(tuple),
)


@settings(max_examples=400)
@given(
    st.lists(DATED, min_size=1, max_size=3),
    st.sampled_from([None, "", "priority", "flex"]),
    st.booleans(),
    st.booleans(),
    st.lists(st.integers(0, 2000), min_size=6, max_size=6),
    st.integers(0, 3),
    st.integers(0, 90_000),
    st.integers(0, 5_000),
    st.tuples(st.integers(0, 5), st.integers(0, 5)),
    st.tuples(st.integers(0, 9), st.booleans()),
    st.booleans(),
    st.booleans(),
)
def test_no_honest_answer_costs_more_at_prices_that_somebody_gave(
    dated: list[DatedPrice],
    asked: str | None,
    asks_for_speed: bool,
    is_media: bool,
    counts: list[int],
    images: int,
    milliseconds: int,
    characters: int,
    searches: tuple[int, int],
    pages: tuple[int, bool],
    has_tier: bool,
    has_speed: bool,
) -> None:
    prompt, completion, cached, written, heard, reasoning = counts
    images, milliseconds, characters = (images, milliseconds, characters) if is_media else (0, 0, 0)
    tier = "priority" if asked is None and has_tier else (asked or "") if has_tier else ""
    price = to_price(dated)
    tokens = TokenCounts(
        prompt=prompt,
        completion=completion,
        cached=min(cached, prompt),
        reasoning=min(reasoning, completion),
        images=images,
        audio_milliseconds=milliseconds,
        characters=characters,
        pages=pages[0],
        confidence=Confidence.EXACT,
        details=TokenDetails(
            cache_written=written,
            cache_written_hour=written // 2,
            audio_prompt=heard if is_media else 0,
            audio_completion=heard if is_media else 0,
            web_searches=searches[0],
            file_searches=searches[1],
            annotated_pages=pages[0] if pages[1] else 0,
            service_tier=tier,
            speed="fast" if asks_for_speed and has_speed else "",
        ),
    )
    most = Most(
        prompt=prompt,
        completion=completion,
        is_media=is_media,
        images=images,
        milliseconds=milliseconds,
        characters=characters,
        searches=sum(searches),
        pages=pages[0],
        tier=asked,
        is_fast=asks_for_speed,
    )
    for at in (AT, AT + timedelta(hours=9)):
        cost, bound = cost_of(price, tokens, at), bound_of(price, most, at.timestamp())
        assert bound is None or cost is None or bound >= cost


def test_the_dearest_service_of_a_period_is_reserved() -> None:
    usual, dear = PriceRates(input=1, output=1), PriceRates(output=100)
    price = to_price([DatedPrice(rates=usual, services=(ServicePrice(tier="priority", rates=dear),))])
    bounds = [
        bound_of(price, Most(completion=1_000_000, tier=tier), AT.timestamp())
        for tier in (None, "priority", "", "flex")
    ]
    assert bounds == [100_000_000_000, 100_000_000_000, 1_000_000_000, 1_000_000_000]


def test_a_tier_with_a_speed_may_cost_more_than_either() -> None:
    price = to_price(
        [
            DatedPrice(
                rates=PriceRates(input=1, output=1),
                services=(
                    ServicePrice(tier="priority", rates=PriceRates(input=100)),
                    ServicePrice(speed="fast", rates=PriceRates(output=100)),
                ),
            )
        ]
    )
    most = Most(prompt=1_000_000, completion=1_000_000, is_fast=True)
    assert bound_of(price, most, AT.timestamp()) == 200_000_000_000
