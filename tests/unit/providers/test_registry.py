"""Every provider has its record, and the header names that follow from all of them."""

import pytest
from tollkeeper_server.domain.headers import FRAMING, HOP_BY_HOP
from tollkeeper_server.domain.upstream import Provider
from tollkeeper_server.providers.provider import Draft, ProviderRecord
from tollkeeper_server.providers.registry import CREDENTIAL_HEADERS, KEY_HEADERS, PROVIDERS, SETTING_HEADERS


def test_every_provider_has_a_record() -> None:
    assert set(PROVIDERS) == set(Provider)
    assert all(record.provider is provider for provider, record in PROVIDERS.items())


@pytest.mark.parametrize("record", PROVIDERS.values(), ids=lambda record: record.provider)
def test_the_settings_of_a_provider_are_those_of_an_upstream(record: ProviderRecord) -> None:
    assert record.settings <= set(Draft.__struct_fields__)
    assert "base_url" not in record.settings


def test_tokens_are_looked_for_where_openais_clients_put_them_first_and_azures_last() -> None:
    assert KEY_HEADERS == ("authorization", "x-api-key", "api-key")


def test_names_are_in_lower_case_and_have_one_meaning_each() -> None:
    for name in HOP_BY_HOP | FRAMING | CREDENTIAL_HEADERS | SETTING_HEADERS:
        assert name == name.lower()
    assert {"proxy-authorization"} == CREDENTIAL_HEADERS & FRAMING
    assert {"openai-organization", "openai-project"} == SETTING_HEADERS
