"""Whose prices hold at an upstream, and which of them a name finds."""

import pytest
from tollkeeper_server.domain.upstream import Provider
from tollkeeper_server.prices.book import shipped_book
from tollkeeper_server.prices.names import Names, suits, with_hyphens


@pytest.mark.parametrize(
    ("kind", "url", "provider"),
    [
        (Provider.OPENAI, "https://api.openai.com/v1", "openai"),
        (Provider.OPENAI, "https://api.groq.com/openai/v1", "groq"),
        (Provider.OPENAI, "http://127.0.0.1:9000/v1", "openai"),
        (Provider.AZURE, "https://gateway.example/azure", "azure"),
        (Provider.ANTHROPIC, "https://proxy.example", "anthropic"),
        (Provider.GENERIC, "http://127.0.0.1:8000/v1", ""),
        (Provider.GENERIC, "https://api.mistral.ai/v1", "mistral"),
    ],
)
def test_an_address_says_whose_prices_hold_and_else_the_kind(kind: Provider, url: str, provider: str) -> None:
    assert shipped_book().provider_of(kind, url) == provider


@pytest.mark.parametrize(
    ("provider", "name", "found"),
    [
        ("openai", "gpt-4o", ("openai", "gpt-4o")),
        ("openai", "GPT-4o", ("openai", "gpt-4o")),
        ("openai", "openai/gpt-4o", ("openai", "gpt-4o")),
        ("openai", "gpt-4o-20240513", ("openai", "gpt-4o-2024-05-13")),
        ("azure", "gpt-4o-mini", ("openai", "gpt-4o-mini")),
        ("azure", "claude-opus-5-5", ("anthropic", "claude-opus-5-5")),
        ("anthropic", "claude-sonnet-4-5-20250929", ("anthropic", "claude-sonnet-4-5")),
        ("openai", "llama-3", None),
        ("openai", "anthropic/claude-opus-5-5", None),
        ("openai", "", None),
        ("", "gpt-4o", None),
        ("nobody", "gpt-4o", None),
    ],
)
def test_a_name_finds_a_price(provider: str, name: str, found: tuple[str, str] | None) -> None:
    listed = shipped_book().find(provider, name)
    assert (listed and listed[:2]) == found


def test_the_most_that_a_model_answers_is_known() -> None:
    listed = shipped_book().find("openai", "gpt-4o")
    assert listed is not None
    assert listed.price.max_output == 16_384
    known = sum(
        it.price.max_output > 0 for one in shipped_book().providers for it in shipped_book().models(one)
    )
    assert known > 500


def test_the_first_model_that_a_name_suits_has_it() -> None:
    names = Names([["^gpt"], ["=gpt-4"], ["=other", "~^x\\d$"], [["*a", "$b"]]])
    found = [names.find(it) for it in ("gpt-4", "gpt", "other", "x1", "x12", "xab", "ab-", "")]
    assert found == [0, 0, 2, 2, None, 3, None, None]
    assert Names([["=gpt-4"], ["^gpt"]]).find("gpt-4") == 0


def test_clauses() -> None:
    assert suits(["=a", ["^b", "$c"]], "bc")
    assert not suits(["=a", ["^b", "$c"]], "b")


@pytest.mark.parametrize(
    ("name", "hyphenated"),
    [
        ("m-20251211", "m-2025-12-11"),
        ("m-20251211-x", "m-2025-12-11-x"),
        ("m-20251211:free", "m-2025-12-11:free"),
        ("m-20251311", "m-20251311"),
        ("m20251211", "m20251211"),
        ("m-202512110", "m-202512110"),
    ],
)
def test_dates_get_hyphens(name: str, hyphenated: str) -> None:
    assert with_hyphens(name) == hyphenated
