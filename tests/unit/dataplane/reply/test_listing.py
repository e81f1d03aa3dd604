"""What `GET /v1/models` lists."""

import json
from typing import Any

import pytest
from tollkeeper_server.dataplane.reply.listing import get_model, list_models
from tollkeeper_server.domain.model import Capability
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.providers.dialect import Surface
from tollkeeper_server.providers.dialects import anthropic, openai

from tests.unit.dataplane.parts import AZURE, NOW, member_on, route, snapshot, target, token

CONFIGURED = snapshot(
    route("gpt-4o", member_on(AZURE, "d"), capabilities=[Capability.RESPONSES, Capability.CHAT_COMPLETIONS]),
    route("claude", member_on(target("anthropic"), "")),
    route("asleep"),
    route("llama-*", member_on(target("farm"), "")),
    aliases={"default": "gpt-4o"},
)


def _listed(allowed: tuple[str, ...] = (), *, surface: Surface = openai.SURFACE) -> Any:
    return json.loads(list_models(CONFIGURED, token(allowed_models=allowed), surface))


@pytest.mark.parametrize(
    ("allowed", "names"),
    [
        ((), ["claude", "default", "gpt-4o"]),
        (("gpt-4o",), ["default", "gpt-4o"]),
        (("default",), ["default"]),
        (("c*",), ["claude"]),
        (("asleep",), []),
        (("nope",), []),
    ],
)
def test_what_the_token_may_use_is_listed(allowed: tuple[str, ...], names: list[str]) -> None:
    listed = _listed(allowed)

    assert listed["object"] == "list"
    assert names == [entry["id"] for entry in listed["data"]]


def test_an_entry_says_what_openais_does_and_what_the_model_serves() -> None:
    (entry,) = [e for e in _listed()["data"] if e["id"] == "default"]

    assert {
        "id": "default",
        "object": "model",
        "created": int(NOW.timestamp()),
        "owned_by": "azure",
        "capabilities": ["chat_completions", "responses"],
        "proxied_by": "tollkeeper",
    } == entry


def test_anthropics_clients_get_their_own_shape() -> None:
    listed = _listed(("claude", "gpt-4o"), surface=anthropic.SURFACE)

    assert {"data", "has_more", "first_id", "last_id"} == set(listed)
    assert (listed["first_id"], listed["last_id"], listed["has_more"]) == ("claude", "gpt-4o", False)
    assert listed["data"][0] == {
        "type": "model",
        "id": "claude",
        "display_name": "claude",
        "created_at": "2026-11-21T12:00:00Z",
    }


def test_an_empty_list_has_no_first() -> None:
    listed = _listed(("nope",), surface=anthropic.SURFACE)

    assert listed == {"data": [], "has_more": False, "first_id": None, "last_id": None}


@pytest.mark.parametrize("name", ["gpt-4o", "default", "llama-7b"])
def test_one_model_is_returned_by_any_name_it_serves(name: str) -> None:
    assert name == json.loads(get_model(CONFIGURED, token(), openai.SURFACE, name))["id"]


@pytest.mark.parametrize(
    ("allowed", "name"), [((), "nope"), ((), "asleep"), (("claude",), "gpt-4o"), (("llama-7b",), "llama-8b")]
)
def test_a_model_that_may_not_be_used_does_not_exist(allowed: tuple[str, ...], name: str) -> None:
    with pytest.raises(TollkeeperError) as caught:
        get_model(CONFIGURED, token(allowed_models=allowed), openai.SURFACE, name)
    assert Reason.MODEL_NOT_FOUND is caught.value.reason
