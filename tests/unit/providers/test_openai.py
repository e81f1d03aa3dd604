"""What an OpenAI upstream needs, and how it is called."""

from datetime import UTC, datetime

from tollkeeper_server.domain.upstream import Provider, Upstream
from tollkeeper_server.providers.openai import OPENAI
from tollkeeper_server.providers.provider import Draft

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
UPSTREAM = Upstream(name="up", provider=Provider.OPENAI, created_at=NOON, updated_at=NOON)


def test_its_base_url_has_a_default_and_a_version() -> None:
    assert OPENAI.complete(Draft(provider=Provider.OPENAI)).base_url == OPENAI.default_base_url
    draft = Draft(provider=Provider.OPENAI, base_url="https://proxy.test")
    assert OPENAI.complete(draft).base_url == "https://proxy.test/v1"


def test_its_key_is_a_bearer_token() -> None:
    assert OPENAI.credential(UPSTREAM, "sk-1") == ((b"authorization", b"Bearer sk-1"),)
    assert OPENAI.credential(UPSTREAM, "") == ()


def test_it_is_told_what_organization_and_project_pay() -> None:
    assert OPENAI.headers(UPSTREAM) == ()
    named = Upstream(
        name="up",
        provider=Provider.OPENAI,
        organization="org-1",
        project="proj_1",
        created_at=NOON,
        updated_at=NOON,
    )
    assert OPENAI.headers(named) == ((b"openai-organization", b"org-1"), (b"openai-project", b"proj_1"))
    assert {name.decode() for name, _ in OPENAI.headers(named)} == OPENAI.caller_headers
