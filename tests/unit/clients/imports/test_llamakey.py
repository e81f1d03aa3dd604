"""LlamaKey's environment becomes a listener with a prefix for each provider whose key is set."""

import pytest
from tollkeeper.configuration import write_document
from tollkeeper.imports import import_llamakey, settled, without_secrets

WHOLE = """
export OPENAI_API_KEY=canary-1 #openai
CO_API_KEY="canary-2"
export ANYSCALE_API_KEY='canary-3'
HF_TOKEN=canary-4
PERPLEXITY_API_KEY=canary-5
VECTARA_CUSTOMER_ID=1
VECTARA_CLIENT_SECRET=canary-6

lmk # start the server
"""


def test_every_provider_with_a_key_has_a_prefix() -> None:
    found = import_llamakey(WHOLE)
    (listener,) = found.configuration.listeners

    assert (listener.address, listener.default_group) == ("127.0.0.1:8000", "openai")
    assert {it.path: (it.group, it.strip_prefix) for it in listener.rules} == {
        "/openai/*": ("openai", "/openai"),
        "/cohere/*": ("cohere", "/cohere"),
        "/cohere/v2/*": ("cohere-v2", "/cohere/v2"),
        "/anyscale/*": ("anyscale", "/anyscale"),
        "/huggingface/*": ("huggingface", "/huggingface"),
        "/perplexity/*": ("perplexity", "/perplexity"),
    }
    assert {it.name: it.api_key for it in found.configuration.upstreams} == {
        "openai": "${OPENAI_API_KEY}",
        "cohere": "${CO_API_KEY}",
        "cohere-v2": "${CO_API_KEY}",
        "anyscale": "${ANYSCALE_API_KEY}",
        "huggingface": "${HF_TOKEN}",
        "perplexity": "${PERPLEXITY_API_KEY}",
    }
    assert "clients: export CO_API_URL=http://127.0.0.1:8000/cohere" in found.notes
    assert any("Vectara wants OAuth" in it for it in found.notes)


def test_keys_are_references_unless_asked_for() -> None:
    found = import_llamakey(WHOLE)

    assert "canary" not in write_document(without_secrets(found).configuration, resolved=False)
    assert "api_key: canary-4" in write_document(settled(found).configuration, resolved=False)
    assert {it.api_key for it in found.resolved({}).upstreams} == {f"canary-{n}" for n in range(1, 6)}


def test_variables_that_have_no_counterpart_are_named() -> None:
    notes = import_llamakey("OPENAI_API_KEY=x\nOTHER_KEY=canary\nBASE_URL=http://h:1\n").notes

    assert "OTHER_KEY: has no counterpart and was left out" in notes
    assert sum("has no counterpart" in it for it in notes) == 1


def test_without_openai_there_is_no_default() -> None:
    found = import_llamakey("COHERE_API_KEY=x\nBASE_URL=http://0.0.0.0:9000\n")

    assert found.configuration.listeners[0].default_group == ""
    assert found.configuration.listeners[0].address == "0.0.0.0:9000"
    assert found.configuration.upstreams[0].api_key == "${COHERE_API_KEY}"


def test_what_llamakey_writes_for_clients_is_recognised() -> None:
    found = import_llamakey(
        'export OPENAI_BASE_URL="http://127.0.0.1:8000" # here\nexport OPENAI_API_KEY="openai"\n'
    )

    assert any("looks like what LlamaKey writes for clients" in it for it in found.notes)


@pytest.mark.parametrize("text", ["", "# nothing\n", "OTHER=1\n", "OPENAI_API_KEY=\n"])
def test_without_keys_there_is_nothing_to_import(text: str) -> None:
    found = import_llamakey(text)

    assert write_document(found.configuration) == ""
    assert any("nothing to import" in it for it in found.notes)
