"""What requests cost: bills made by hand, and the rules of rates."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.prices.book import Listed, shipped_book
from tollkeeper_server.prices.consumption import Consumption, ImageSize, Unit
from tollkeeper_server.prices.price import GivenPeriod, GivenRates, Price, Service, Steps, Variant

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp()
DOLLAR = 10**9
BATCH = Service(is_batch=True)


def of(**rates: int | Steps) -> Price:
    """Return a price with pico-dollars a unit."""
    return Price((GivenPeriod(given_rates(**rates)),))


def given_rates(**rates: int | Steps) -> GivenRates:
    return GivenRates(
        {Unit(name): ((-1, rate),) if isinstance(rate, int) else rate for name, rate in rates.items()}
    )


@pytest.mark.parametrize(
    ("model", "used", "service", "dollars"),
    [
        # OpenAI: GPT-4o at $2.50, cached $1.25, output $10 for a million.
        ("openai/gpt-4o", Consumption(input=400, cached=600, output=200), Service(), "0.00375"),
        ("openai/gpt-4o-2024-11-20", Consumption(input=1_000_000), Service(), "2.5"),
        ("openai/gpt-4o", Consumption(input=1_000, output=1_000), BATCH, "0.00625"),
        ("openai/gpt-4o", Consumption(input=1_000, output=1_000), Service("priority"), "0.02125"),
        ("openai/gpt-4o", Consumption(input=1_000, output=1_000), Service("default"), "0.0125"),
        # $10 for a thousand searches.
        ("openai/gpt-4o", Consumption(input=1_000, more=((Unit.WEB_SEARCH, 2),)), Service(), "0.0225"),
        # Whisper: $0.006 a minute, here a minute and a half.
        ("openai/whisper-1", Consumption(more=((Unit.AUDIO, 90_000),)), Service(), "0.009"),
        # TTS: $15 for a million characters.
        ("openai/tts-1", Consumption(more=((Unit.CHARACTER, 4_000),)), Service(), "0.06"),
        # Small embeddings: $0.02 for a million.
        ("openai/text-embedding-3-small", Consumption(input=8), Service(), "0.00000016"),
        # Reasoning is output.
        ("openai/gpt-5.2", Consumption(input=100, output=50, reasoning=950), Service(), "0.014175"),
        # Anthropic: Sonnet 4.5 at $3, read $0.30, written $3.75 or for an hour $6, output $15.
        (
            "anthropic/claude-sonnet-4-5-20250929",
            Consumption(input=21, cached=10_000, cache_write=2_000, cache_write_hour=1_000, output=500),
            Service(),
            "0.024063",
        ),
        # Beyond 200,000 tokens of prompt, what is cached included, all of it costs more.
        (
            "anthropic/claude-sonnet-4-5",
            Consumption(input=1, cached=200_000, output=1_000),
            Service(),
            "0.142506",
        ),
        (
            "anthropic/claude-sonnet-4-5",
            Consumption(cached=200_000, output=1_000),
            Service(),
            "0.075",
        ),
        (
            "anthropic/claude-sonnet-4-5",
            Consumption(input=1_000, output=1_000),
            BATCH,
            "0.009",
        ),
        ("anthropic/claude-sonnet-4-5", Consumption(more=((Unit.WEB_SEARCH, 3),)), Service(), "0.03"),
        # Google: Gemini 2.5 Pro at $1.25 and $10, beyond 200,000 at $2.50 and $15.
        ("google/gemini-2.5-pro", Consumption(input=200_000, output=1_000), Service(), "0.26"),
        ("google/gemini-2.5-pro", Consumption(input=200_001, output=1_000), Service(), "0.5150025"),
        (
            "google/gemini-2.5-pro",
            Consumption(input=100, cached=900, output=10, reasoning=990),
            Service(),
            "0.0102375",
        ),
    ],
)  # fmt: skip
def test_bills_that_were_made_by_hand(model: str, used: Consumption, service: Service, dollars: str) -> None:
    whole, _, parts = dollars.partition(".")
    listed = shipped_book().find(*model.split("/", 1))
    assert listed is not None
    assert listed.price.cost(used, NOON, service) == int(whole) * DOLLAR + int(f"{parts:0<9}")


def test_an_amount_is_rounded_up_once() -> None:
    price = of(input=1, output=1)
    assert price.cost(Consumption(input=1), NOON) == 1
    assert price.cost(Consumption(input=999, output=1), NOON) == 1
    assert price.cost(Consumption(input=1_000, output=1), NOON) == 2
    assert price.cost(Consumption(), NOON) == 0


def test_a_unit_without_a_rate_costs_what_the_broader_one_does() -> None:
    plain = of(input=1_000, output=2_000)
    assert plain.cost(Consumption(cached=1, cache_write=1, cache_write_hour=1, reasoning=1), NOON) == 5
    assert plain.cost(Consumption(more=((Unit.AUDIO_INPUT, 1), (Unit.IMAGE_OUTPUT, 1))), NOON) == 3
    written = of(input=1_000, cache_write=5_000, cached=100, audio_input=7_000)
    assert written.cost(Consumption(cache_write_hour=1), NOON) == 5
    assert written.cost(Consumption(more=((Unit.AUDIO_CACHED, 1),)), NOON) == 7
    assert written.cost(Consumption(more=((Unit.IMAGE_CACHED, 10),)), NOON) == 1


@pytest.mark.parametrize(
    "used",
    [
        Consumption(output=1),
        Consumption(input=1, reasoning=1),
        Consumption(input=1, more=((Unit.WEB_SEARCH, 1),)),
        Consumption(more=((Unit.AUDIO, 1_000),)),
        Consumption(images=((ImageSize(), 1),)),
    ],
)
def test_what_has_no_rate_has_no_cost(used: Consumption) -> None:
    assert of(input=1_000).cost(used, NOON) is None


def test_what_measures_the_same_is_billed_once() -> None:
    by_tokens, by_time = of(input=1_000, output=1_000), of(audio=2_000_000)
    spoken = Consumption(input=10, output=5, more=((Unit.AUDIO, 1_500),))
    assert by_tokens.cost(spoken, NOON) == 15
    assert by_time.cost(spoken, NOON) == 3_000
    assert of(audio=2_000_000, input=1_000, output=1_000).cost(spoken, NOON) == 3_015
    assert by_time.cost(Consumption(more=((Unit.AUDIO, 1_500), (Unit.FILE_SEARCH, 1))), NOON) is None


def test_a_request_may_have_a_price_of_its_own() -> None:
    assert of(input=1_000, output=1_000, request=12_000_000).cost(Consumption(input=1), NOON) == 12_001


def test_the_least_sound_is_billed_if_there_is_any() -> None:
    listed = shipped_book().find("groq", "whisper-large-v3")
    assert listed is not None
    ten = listed.price.cost(Consumption(more=((Unit.AUDIO, 10_000),)), NOON)
    assert listed.price.cost(Consumption(more=((Unit.AUDIO, 1),)), NOON) == ten
    assert listed.price.cost(Consumption(more=((Unit.AUDIO, 0),)), NOON) == 0
    assert listed.price.cost(Consumption(more=((Unit.AUDIO, 11_000),)), NOON) == 339_167


def test_images_cost_by_size_and_quality() -> None:
    images = {
        ImageSize("1024x1024", "high"): 167_000_000_000,
        ImageSize("1024x1024"): 42_000_000_000,
        ImageSize("", "low"): 11_000_000_000,
    }
    price = Price((GivenPeriod(GivenRates({Unit.IMAGE: ((-1, 5_000_000_000),)}, images)),))

    def cost(size: str, quality: str, count: int = 1) -> int | None:
        return price.cost(Consumption(images=((ImageSize(size, quality), count),)), NOON)

    assert cost("1024x1024", "high", 2) == 334_000_000
    assert cost("1024x1024", "medium") == 42_000_000
    assert cost("9x9", "low") == 11_000_000
    assert cost("9x9", "high") == 5_000_000


DAY = 86_400


@pytest.mark.parametrize(
    ("at", "rate"),
    [
        (0, 1),
        (100 * DAY - 1, 1),
        (100 * DAY, 4),
        (100 * DAY + 3_600, 2),
        (100 * DAY + 3_601, 2),
        (100 * DAY + 23 * 3_600 - 1, 2),
        (100 * DAY + 23 * 3_600, 4),
        (200 * DAY + 7_200, 2),
        (200 * DAY + 300, 4),
    ],
)
def test_prices_change_by_date_and_time_of_day(at: int, rate: int) -> None:
    """The last period that holds counts; the one over midnight begins a day before its times."""
    price = Price(
        (
            GivenPeriod(given_rates(input=1_000)),
            GivenPeriod(given_rates(input=2_000), start=100 * DAY),
            GivenPeriod(given_rates(input=4_000), start=100 * DAY, begin=23 * 3_600, end=3_600),
        )
    )
    assert price.cost(Consumption(input=1), at) == rate


def test_a_kind_of_service_replaces_the_rates_that_it_names() -> None:
    usual = given_rates(input=((-1, 10_000), (100, 20_000)), output=40_000)
    price = Price(
        (GivenPeriod(usual),),
        (
            Variant(Service("flex"), given_rates(input=3_000)),
            Variant(BATCH, given_rates(input=5_000, output=20_000), start=1_000),
        ),
    )
    used = Consumption(input=200, output=1)
    assert price.cost(used, NOON) == 4_040
    assert price.cost(used, NOON, Service("flex")) == 640
    assert price.cost(used, NOON, BATCH) == 1_020
    assert price.cost(used, 999, BATCH) == 4_040
    assert price.cost(used, NOON, Service("flex", is_batch=True)) == 620
    assert price.cost(used, NOON, Service("scale")) == 4_040
    assert price.services() == (Service("flex"), BATCH)


LISTED = [it for one in ("openai", "anthropic", "google") for it in shipped_book().models(one)]
COUNTS = st.integers(0, 400_000)


@given(
    st.builds(
        Consumption,
        **dict.fromkeys(
            ("input", "cached", "cache_write", "cache_write_hour", "output", "reasoning"), COUNTS
        ),
    ),
    st.sampled_from(LISTED),
    st.sampled_from([Service(), BATCH, Service("priority"), Service("flex")]),
    st.integers(0, 100_000),
)
def test_no_text_costs_more_than_its_bound(
    used: Consumption, listed: Listed, service: Service, spare: int
) -> None:
    tariff = listed.price.tariff(service)
    bound = tariff.bound(used.prompt + spare, used.completion + spare, NOON)
    cost = tariff.cost(used, NOON)
    assert bound is None or (cost is not None and cost <= bound)


def test_buckets_add_up_to_prompt_and_completion() -> None:
    used = Consumption(
        input=1,
        cached=2,
        cache_write=4,
        cache_write_hour=8,
        output=16,
        reasoning=32,
        more=(
            (Unit.AUDIO_INPUT, 64),
            (Unit.VIDEO_OUTPUT, 128),
            (Unit.WEB_SEARCH, 256),
            (Unit.IMAGE_CACHED, 512),
        ),
    )
    assert (used.prompt, used.completion) == (1 + 2 + 4 + 8 + 64 + 512, 16 + 32 + 128)
