"""What `GET /v1/models` lists."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.reply.listing import get_model, list_models, listing_targets
from tollkeeper_server.dataplane.request.endpoint import match
from tollkeeper_server.dataplane.request.peek import Peek
from tollkeeper_server.dataplane.route import find_destination
from tollkeeper_server.domain.model import Capability
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.providers.dialect import Surface
from tollkeeper_server.providers.dialects import anthropic, openai

from tests.unit.dataplane.configured import AZURE, NOW, member_on, pool, route, snapshot, target, token
from tests.unit.dataplane.exchanges import exchange

EARLIER = datetime(2024, 5, 13, 12, tzinfo=UTC)

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


LISTING = target("farm", models_url="http://farm.test/v1/models")
OTHER = target("other", models_url="http://other.test/v1/models")
OPEN = snapshot(
    route("gpt-4o", member_on(AZURE, "d")),
    route("llama-*", member_on(LISTING), capabilities=[Capability.EMBEDDINGS]),
    route("llama-renamed-*", member_on(LISTING, "one-model")),
    route("llama-large-*", member_on(OTHER)),
    aliases={"llama-default": "gpt-4o"},
    groups={
        "all": pool(member_on(LISTING), member_on(target("mute")), name="all"),
        "others": pool(member_on(OTHER), name="others"),
    },
)
LISTS = {
    "farm": dict.fromkeys(
        ["gpt-4o", "llama-7b", "llama-default", "llama-large-x", "llama-renamed-y", "qwen"], EARLIER
    ),
    "other": dict.fromkeys(["llama-large-z", "llama-7b", "mixtral"], EARLIER),
}


@pytest.mark.parametrize(
    ("groups", "allowed", "names"),
    [
        ((), (), ["gpt-4o", "llama-7b", "llama-default", "llama-large-z"]),
        (("all",), (), ["gpt-4o", "llama-7b", "llama-default", "llama-large-z", "qwen"]),
        (("gone", "others"), (), ["gpt-4o", "llama-7b", "llama-default", "llama-large-z", "mixtral"]),
        (("gone",), ("llama-*",), ["llama-7b", "llama-default", "llama-large-z"]),
        (("all",), ("llama-7*", "qwen"), ["llama-7b", "qwen"]),
        (("all",), ("mixtral",), []),
    ],
)
def test_upstreams_own_lists_count_where_requests_with_these_names_reach_them(
    groups: tuple[str, ...], allowed: tuple[str, ...], names: list[str]
) -> None:
    known = token(allowed_models=allowed)

    listed = json.loads(list_models(OPEN, known, openai.SURFACE, LISTS, groups))

    assert [entry["id"] for entry in listed["data"]] == names
    for name in names:
        single = json.loads(get_model(OPEN, known, openai.SURFACE, name, LISTS, groups))
        assert single in listed["data"]


def test_a_model_of_an_upstreams_list_says_who_lists_it_and_what_its_pattern_serves() -> None:
    single = json.loads(get_model(OPEN, token(), openai.SURFACE, "llama-7b", LISTS))

    assert (single["owned_by"], single["created"]) == ("farm", int(EARLIER.timestamp()))
    assert single["capabilities"] == ["embeddings"]


@pytest.mark.parametrize("name", ["qwen", "mixtral", "nope"])
def test_a_name_that_leads_nowhere_does_not_exist_whoever_lists_it(name: str) -> None:
    with pytest.raises(TollkeeperError) as caught:
        get_model(OPEN, token(), openai.SURFACE, name, LISTS)
    assert caught.value.reason is Reason.MODEL_NOT_FOUND


@pytest.mark.parametrize(
    ("groups", "name", "upstreams"),
    [
        ((), "", {"farm", "other"}),
        (("all",), "", {"farm", "other"}),
        (("all",), "gpt-4o", set()),
        (("all",), "llama-default", set()),
        ((), "llama-7b", {"farm"}),
        ((), "llama-large-x", {"other"}),
        ((), "llama-renamed-y", set()),
        ((), "qwen", set()),
        (("all", "gone"), "qwen", {"farm"}),
        (("all", "others"), "qwen", {"farm", "other"}),
    ],
)
def test_only_upstreams_whose_lists_may_matter_are_asked(
    groups: tuple[str, ...], name: str, upstreams: set[str]
) -> None:
    assert set(listing_targets(OPEN, groups, name)) == upstreams


_NAMES = st.text("ab-", min_size=1, max_size=3)


@given(
    st.dictionaries(st.sampled_from(["farm", "other"]), st.lists(_NAMES)),
    st.lists(_NAMES.map(lambda start: start + "*") | st.just("*"), max_size=3, unique=True),
    st.lists(_NAMES | _NAMES.map(lambda start: start + "*"), max_size=2),
    st.sampled_from(["", "all"]),
)
def test_nobody_sees_a_model_that_a_request_could_not_name(
    lists: dict[str, list[str]], patterns: list[str], allowed: list[str], default_group: str
) -> None:
    configured = snapshot(
        *(route(name, member_on(LISTING)) for name in patterns),
        groups={"all": pool(member_on(OTHER), name="all")},
    )
    known = token(allowed_models=tuple(allowed))
    times = {upstream: dict.fromkeys(names, EARLIER) for upstream, names in lists.items()}

    listed = json.loads(list_models(configured, known, openai.SURFACE, times, (default_group,)))["data"]

    for entry in listed:
        caller = exchange(configuration=configured)
        found = find_destination(
            caller, match(b"/v1/models", "GET"), known, Peek(model=entry["id"]), None, default_group
        )
        assert entry["owned_by"] in [member.target.name for member in found.pool.members]
        assert entry["id"] in lists[entry["owned_by"]]
