"""Counts of a request as units that have a price."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.usage import TokenCounts, TokenDetails
from tollkeeper_server.prices.bill import consumption_of, cost_of, dollars, service_of
from tollkeeper_server.prices.book import shipped_book
from tollkeeper_server.prices.consumption import Consumption, ImageSize, Unit
from tollkeeper_server.prices.price import Service

COUNTS = st.integers(0, 100)


@pytest.mark.parametrize(
    ("tokens", "used"),
    [
        (
            TokenCounts(prompt=100, completion=20, cached=30, reasoning=5),
            Consumption(input=70, cached=30, output=15, reasoning=5),
        ),
        (
            TokenCounts(
                prompt=100,
                completion=20,
                cached=30,
                details=TokenDetails(
                    cache_written=40,
                    cache_written_hour=10,
                    audio_prompt=5,
                    image_prompt=3,
                    audio_completion=8,
                    web_searches=2,
                    file_searches=4,
                ),
            ),
            Consumption(
                input=22,
                cached=30,
                cache_write=30,
                cache_write_hour=10,
                output=12,
                more=(
                    (Unit.AUDIO_INPUT, 5),
                    (Unit.IMAGE_INPUT, 3),
                    (Unit.AUDIO_OUTPUT, 8),
                    (Unit.WEB_SEARCH, 2),
                    (Unit.FILE_SEARCH, 4),
                ),
            ),
        ),
        (TokenCounts(audio_milliseconds=9_500), Consumption(more=((Unit.AUDIO, 9_500),))),
        (TokenCounts(characters=11), Consumption(more=((Unit.CHARACTER, 11),))),
        (TokenCounts(pages=3), Consumption(more=((Unit.PAGE, 3),))),
        (
            TokenCounts(pages=3, details=TokenDetails(annotated_pages=2)),
            Consumption(more=((Unit.PAGE, 1), (Unit.ANNOTATED_PAGE, 2))),
        ),
        (TokenCounts(images=2), Consumption(images=((ImageSize(), 2),))),
        (TokenCounts(), Consumption()),
    ],
)
def test_each_token_counts_in_one_place(tokens: TokenCounts, used: Consumption) -> None:
    assert consumption_of(tokens) == used


@given(
    st.builds(
        TokenCounts,
        **dict.fromkeys(("prompt", "completion", "cached", "reasoning"), COUNTS),
        details=st.none()
        | st.builds(
            TokenDetails,
            **dict.fromkeys(
                ("cache_written", "cache_written_hour", "audio_prompt", "audio_completion", "image_prompt"),
                COUNTS,
            ),
        ),
    )
)
def test_the_parts_add_up_whatever_was_said(tokens: TokenCounts) -> None:
    used = consumption_of(tokens)
    assert (used.prompt, used.completion) == (tokens.prompt, tokens.completion)
    fields = (used.input, used.cached, used.cache_write, used.cache_write_hour, used.output, used.reasoning)
    assert min(*fields, *(count for _, count in used.more)) >= 0


@given(
    st.builds(
        TokenCounts,
        **dict.fromkeys(
            ("prompt", "completion", "cached", "reasoning", "images", "characters", "pages"),
            st.integers(0, 9),
        ),
    ),
    st.sampled_from(
        [("openai", "gpt-4o"), ("openai", "text-embedding-3-small"), ("google", "gemini-2.5-pro")]
    ),
)
def test_the_short_way_to_a_cost_leads_where_the_long_one_does(
    tokens: TokenCounts, model: tuple[str, str]
) -> None:
    listed = shipped_book().find(*model)
    assert listed is not None
    at = datetime(2026, 11, 28, tzinfo=UTC)
    assert cost_of(listed.price, tokens, at) == listed.price.cost(consumption_of(tokens), at.timestamp())


@pytest.mark.parametrize(
    ("details", "service"),
    [
        (None, Service()),
        (TokenDetails(cache_written=1), Service()),
        (TokenDetails(service_tier="flex"), Service("flex")),
        (TokenDetails(service_tier="batch"), Service(is_batch=True)),
        (TokenDetails(service_tier="priority", speed="fast"), Service("priority", speed="fast")),
    ],
)
def test_the_kind_of_service_is_the_one_that_the_answer_names(
    details: TokenDetails | None, service: Service
) -> None:
    assert service_of(details) == service


@pytest.mark.parametrize(
    ("nano_dollars", "text"),
    [(0, b"0.0"), (1, b"0.000000001"), (142_500, b"0.0001425"), (10**9, b"1.0"), (12_340_000_000, b"12.34")],
)
def test_an_amount_is_written_in_dollars_all_of_it(nano_dollars: int, text: bytes) -> None:
    assert dollars(nano_dollars) == text
