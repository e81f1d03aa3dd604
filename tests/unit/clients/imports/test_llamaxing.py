"""Llamaxing's files become models, an upstream for each account behind them, projects and tokens."""

import json

import pytest
from tollkeeper.configuration import ConfigurationError, parse_document, write_document
from tollkeeper.imports import Imported, import_llamaxing, settled, without_secrets
from tollkeeper.v1 import model_service_pb2

OPENAI = {"provider": "openai", "openai_organization": None, "openai_api_key": "${OPENAI_API_KEY}"}
AZURE = {
    "provider": "azure",
    "azure_endpoint": "https://one.openai.azure.com/",
    "azure_deployment": "${DEPLOYMENT}",
    "azure_api_key": "canary-azure",
    "azure_api_version": "2024-02-01",
}
MODELS = [
    {
        "id": "gpt-4",
        "aliases": ["gpt4", "gpt-4"],
        "capabilities": ["chat_completions"],
        "instances": [OPENAI | {"id": "gpt-4-openai"}, AZURE | {"id": "gpt-4-azure"}],
    },
    {
        "id": "ada",
        "aliases": "embed",
        "capabilities": ["embeddings", "completions", "images_generations"],
        "instances": [
            OPENAI | {"id": "ada-openai"},
            OPENAI | {"id": "ada-org", "openai_organization": "org-1"},
        ],
    },
]
IDENTITIES = [
    {
        "id": "app@example.com",
        "auth_key": "1234",
        "name": "App",
        "info": {"cost_centre": 7},
        "observability": {"langfuse_public_key": "pk-1", "langfuse_secret_key": "canary-langfuse"},
    }
]
OBJECT_ID = "3f0f8a52-6f2c-4b8e-9a51-0123456789ab"


def read(*files: object, **environment: str) -> Imported:
    texts = [it if isinstance(it, str) else json.dumps(it, indent="\t") for it in files]
    return import_llamaxing(texts, {"DEPLOYMENT": "gpt4-eu", **environment})


def test_models_keep_aliases_capabilities_and_deployments() -> None:
    gpt, ada = read(MODELS).configuration.models

    assert (gpt.name, list(gpt.aliases)) == ("gpt-4", ["gpt4"])
    assert list(gpt.capabilities) == [model_service_pb2.CAPABILITY_CHAT_COMPLETIONS]
    assert [(it.upstream, it.upstream_model) for it in gpt.deployments] == [
        ("gpt-4-openai", ""),
        ("gpt-4-azure", "gpt4-eu"),
    ]
    assert list(ada.aliases) == ["embed"]
    assert [it.upstream for it in ada.deployments] == ["gpt-4-openai", "ada-org"]


def test_there_is_one_upstream_for_each_account() -> None:
    openai, azure, org = read(MODELS).configuration.upstreams

    assert (openai.name, openai.api_key, openai.organization) == ("gpt-4-openai", "${OPENAI_API_KEY}", "")
    assert (azure.base_url, azure.api_version) == ("https://one.openai.azure.com", "2024-02-01")
    assert (org.name, org.organization) == ("ada-org", "org-1")


def test_identities_become_projects_with_their_keys_as_tokens() -> None:
    found = read(IDENTITIES, MODELS, "AUTH_METHOD=apikey\n")
    (project,) = found.configuration.projects

    assert project.name == "app@example.com"
    assert [(it.name, it.secret) for it in project.tokens] == [("llamaxing", "1234")]
    assert {it.partition(":")[0] for it in found.notes} == {"identities[0].observability"}
    assert "1234" not in write_document(without_secrets(found).configuration, resolved=False)


def test_what_is_said_of_an_identity_becomes_description_and_labels() -> None:
    found = read(IDENTITIES, "AUTH_METHOD=apikey\n")
    (project,) = found.configuration.projects

    assert (project.description, dict(project.labels)) == ("App", {"cost_centre": "7"})
    written = write_document(without_secrets(found).configuration, resolved=False)
    assert parse_document(written).projects[0].labels == {"cost_centre": "7"}


def test_what_labels_can_not_hold_is_said() -> None:
    info = {
        "Cost Centre": "a\nb",
        "cost_centre": "the same name",
        "note": "x" * 200,
        "team": "${TEAM}",
        "tags": ["a"],
        "owner": {"name": "b"},
        "none": None,
        "!": "c",
        "is_internal": True,
    }
    identity = {"id": "app", "auth_key": "1234", "name": "app", "info": info}

    found = read([identity], "AUTH_METHOD=apikey\n")

    (project,) = found.configuration.projects
    assert (project.description, dict(project.labels)) == (
        "",
        {"cost_centre": "a b", "note": "x" * 128, "team": "${TEAM}", "is_internal": "true"},
    )
    assert sorted({it.partition(":")[0] for it in found.notes}) == [
        f"identities[0].info.{name}" for name in ("!", "Cost Centre", "cost_centre", "note", "owner", "tags")
    ]
    assert found.resolved({}).projects[0].labels["team"] == "${TEAM}"


@pytest.mark.parametrize("info", ["a text", ["a"], 7, None])
def test_info_of_another_form_is_left_out(info: object) -> None:
    found = read([{"id": "app", "auth_key": "1234", "info": info}], "AUTH_METHOD=apikey\n")

    assert not found.configuration.projects[0].labels
    assert [it.partition(":")[0] for it in found.notes] == ["identities[0].info"] * (info is not None)


def test_an_identity_has_as_many_labels_as_a_project_may_have() -> None:
    info = {f"name-{number}": "x" for number in range(40)}

    found = read([{"id": "app", "auth_key": "1234", "info": info}], "AUTH_METHOD=apikey\n")

    assert len(found.configuration.projects[0].labels) == 32
    assert len(found.notes) == 8


@pytest.mark.parametrize(
    ("key", "settings", "has_token"),
    [
        ("1234", "AUTH_METHOD=apikey", True),
        ("1234", "", True),
        (OBJECT_ID, "", False),
        (OBJECT_ID, "AUTH_METHOD=jwt", False),
        (OBJECT_ID, "AUTH_METHOD=apikey", True),
        ("1234", "AUTH_METHOD=none", False),
    ],
)
def test_what_identifies_the_bearers_of_other_tokens_is_no_secret(
    key: str, settings: str, has_token: bool
) -> None:
    found = read([{"id": "a", "auth_key": key, "name": "a"}], settings)

    assert bool(found.configuration.projects[0].tokens) is has_token


def test_references_are_kept_and_what_the_env_file_sets_is_used() -> None:
    found = read(MODELS, "OPENAI_API_KEY=canary-openai\nexport APP_REQUESTS_TIMEOUT='300'\n")

    assert found.configuration.upstreams[0].api_key == "${OPENAI_API_KEY}"
    assert found.resolved({}).upstreams[0].api_key == "canary-openai"
    assert settled(found).configuration.upstreams[0].api_key == "canary-openai"
    assert "canary" not in write_document(without_secrets(found).configuration, resolved=False)
    assert "canary" not in repr(found)
    assert found.configuration.upstreams[0].timeouts.first_byte.seconds == 300


def test_what_settings_ask_for_in_vain_is_said() -> None:
    settings = (
        "AUTH_METHOD_APIKEY_HEADER_NAME=X-Key\nAPP_MODE=sidecar\nLOGGING_CLIENT=mongodb\nAUTH_METHOD=jwt\n"
        "APP_REQUESTS_TIMEOUT=soon\nOPENAI_API_KEY=x\nPORT=8000\nAUTH_METHOD_JWT_ISSUER=https://i\n"
    )

    notes = read(MODELS, [{"id": "a", "auth_key": OBJECT_ID}], settings).notes

    assert [it.partition(":")[0] for it in notes] == [
        "AUTH_METHOD=jwt",
        "AUTH_METHOD_APIKEY_HEADER_NAME",
        "APP_MODE=sidecar",
        "LOGGING_CLIENT=mongodb",
        "APP_REQUESTS_TIMEOUT",
        "AUTH_METHOD_JWT_ISSUER",
        "PORT",
    ]


@pytest.mark.parametrize(
    ("settings", "noted"),
    [
        ("AUTH_METHOD=none\n", ["AUTH_METHOD=none"]),
        ("AUTH_METHOD=apikey\nAPP_MODE=proxy\nLOGGING_CLIENT=langfuse\n", ["APP_MODE", "LOGGING_CLIENT"]),
        ("AUTH_METHOD=apikey\nAPP_MODE=Gateway\nLOGGING_CLIENT=none\n", []),
        # Llamaxing's documents write its settings in small letters, and it reads both.
        ("auth_method=apikey\napp_mode=sidecar\ndebug_level=1\n", ["APP_MODE=sidecar", "debug_level"]),
    ],
)
def test_every_setting_without_effect_is_said(settings: str, noted: list[str]) -> None:
    found = read([{"id": "a", "auth_key": "1234"}], settings)

    assert [it.partition(":")[0] for it in found.notes] == noted
    assert [bool(it.tokens) for it in found.configuration.projects] == [
        not settings.startswith("AUTH_METHOD=none")
    ]


@pytest.mark.parametrize("method", ["api_key", "oauth", "basic"])
def test_identities_do_not_lose_their_keys_to_a_misspelt_method(method: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^AUTH_METHOD: must be one of apikey, jwt, none$"):
        read(IDENTITIES, f"AUTH_METHOD={method}\n")


def test_without_identities_a_token_is_to_be_made() -> None:
    assert any("callers need a token" in it for it in read(MODELS).notes)


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (["[{]"], "line 1, column 3: not valid JSON"),
        (["{}"], "must be a list of models or of identities"),
        (["[" * 5000 + "]" * 5000], "nested"),
        ([[{"id": "a", "instances": []}]], r"models\[0\]\.instances: a model needs at least one"),
        ([[{"id": "a", "instances": [{"provider": "openai"}]}]], r"instances\[0\]\.id: is required"),
        ([[{"id": "a", "instances": [{"id": "b", "provider": "aws"}]}]], "provider: must be azure or openai"),
        ([[{"id": "a", "instances": [{"id": "b", "provider": "openai"}]}]], "openai_api_key: is required"),
        (
            [[{"id": "a", "instances": [AZURE | {"id": "b", "azure_api_version": ""}]}]],
            "azure_api_version: is required",
        ),
        (
            [[{"id": "a", "instances": [AZURE | {"id": "b", "azure_deployment": "${NO}"}]}]],
            ".env file .* has NO",
        ),
        (
            [[{"id": "a", "capabilities": ["chat"], "instances": []}]],
            "capabilities: must be some of chat_completions",
        ),
        (
            [[{"id": "a", "instances": [OPENAI | {"id": "b"}] * 2}]],
            r"instances\[1\]\.id: is the id of another",
        ),
        ([[{"id": "a", "auth_key": ""}]], r"identities\[0\]\.auth_key: is required"),
    ],
)
def test_files_that_llamaxing_could_not_use_are_refused(files: list[object], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        read(*files)
