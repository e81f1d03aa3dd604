"""What an Anthropic upstream needs, and how it is called."""

from datetime import UTC, datetime

import pytest
from tollkeeper_server.domain.upstream import Provider, Upstream
from tollkeeper_server.providers.anthropic import ANTHROPIC, DEFAULT_VERSION
from tollkeeper_server.providers.provider import Draft

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def _upstream(version: str = "") -> Upstream:
    return Upstream(
        name="up", provider=Provider.ANTHROPIC, api_version=version, created_at=NOON, updated_at=NOON
    )


def test_its_base_url_has_a_default_and_a_version() -> None:
    assert ANTHROPIC.complete(Draft(provider=Provider.ANTHROPIC)).base_url == ANTHROPIC.default_base_url
    draft = Draft(provider=Provider.ANTHROPIC, base_url="https://proxy.test")
    assert ANTHROPIC.complete(draft).base_url == "https://proxy.test/v1"


def test_its_key_has_a_header_of_its_own() -> None:
    assert ANTHROPIC.credential(_upstream(), "sk-1") == ((b"x-api-key", b"sk-1"),)
    assert ANTHROPIC.credential(_upstream(), "") == ()


@pytest.mark.parametrize(("version", "expected"), [("", DEFAULT_VERSION), ("2024-01-01", "2024-01-01")])
def test_it_is_told_a_version_if_the_caller_tells_none(version: str, expected: str) -> None:
    assert ANTHROPIC.default_headers(_upstream(version)) == ((b"anthropic-version", expected.encode()),)
    assert ANTHROPIC.headers(_upstream(version)) == ()
