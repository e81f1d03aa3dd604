"""What an Azure upstream needs, and how it is called."""

from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.upstream import Provider, Upstream
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.providers.azure import AZURE, without_api_version
from tollkeeper_server.providers.provider import Draft

from tests.unit.providers.addresses import Place

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
AT = Place(base_url="https://x.openai.azure.com", api_version="2024-10-21")


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (Draft(provider=Provider.AZURE, api_version="1"), "base_url"),
        (Draft(provider=Provider.AZURE, base_url="https://a"), "api_version"),
    ],
    ids=str,
)
def test_it_needs_a_base_url_and_a_version(draft: Draft, field: str) -> None:
    with pytest.raises(TollkeeperError) as caught:
        AZURE.complete(draft)
    assert caught.value.field == field


@pytest.mark.parametrize("url", ["https://x.openai.azure.com", "https://x.openai.azure.com/openai"])
def test_its_endpoint_is_taken_as_the_portal_shows_it(url: str) -> None:
    draft = Draft(provider=Provider.AZURE, base_url=url, api_version="2024-10-21")
    assert AZURE.complete(draft).base_url == "https://x.openai.azure.com"


def test_its_key_has_a_header_of_its_own() -> None:
    upstream = Upstream(name="up", provider=Provider.AZURE, created_at=NOON, updated_at=NOON)
    assert AZURE.credential(upstream, "k") == ((b"api-key", b"k"),)
    assert AZURE.credential(upstream, "") == ()


@pytest.mark.parametrize(
    ("model", "endpoint", "path", "expected"),
    [
        ("d", "chat_completions", "/chat/completions", "/openai/deployments/d/chat/completions"),
        ("a/b ?", "embeddings", "/embeddings", "/openai/deployments/a%2Fb%20%3F/embeddings"),
        ("", "chat_completions", "/chat/completions", "/openai/chat/completions"),
        ("d", "responses", "/responses", "/openai/responses"),
        ("d", "files", "/files", "/openai/files"),
    ],
)
def test_a_deployment_stands_in_the_path(model: str, endpoint: str, path: str, expected: str) -> None:
    assert AZURE.url is not None
    url = AZURE.url(AT, path, "", model, endpoint)
    assert url == f"https://x.openai.azure.com{expected}?api-version=2024-10-21"


_pairs = st.tuples(st.sampled_from(["a", "api-version", "API%2DVersion", "b c"]), st.sampled_from(["", "1"]))


@given(st.lists(_pairs, max_size=5))
def test_the_version_is_the_upstreams_whatever_the_caller_says(pairs: list[tuple[str, str]]) -> None:
    query = "&".join(f"{name}={value}" for name, value in pairs)

    assert AZURE.url is not None
    asked = parse_qsl(urlsplit(AZURE.url(AT, "/files", query, "", "files")).query, keep_blank_values=True)

    assert [value for name, value in asked if name.lower() == "api-version"] == ["2024-10-21"]
    kept = parse_qsl(query, keep_blank_values=True)
    assert asked[:-1] == [pair for pair in kept if pair[0].lower() != "api-version"]


def test_what_is_no_version_stays_as_it_was_written() -> None:
    assert without_api_version("a=%20&c&&api-version=1") == "a=%20&c"
