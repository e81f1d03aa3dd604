"""Pruning removes what is not described, and keeps what is used by what stays."""

from typing import cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tollkeeper.v1 import configuration_service_pb2 as pb
from tollkeeper_server.errors import Reason
from tollkeeper_server.management import references, uses
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.unit.management.described import WHOLE, apply, kept, request, told
from tests.unit.management.plane import Plane


async def test_pruning_removes_what_is_not_named_of_kinds_that_are(plane: Plane) -> None:
    await apply(plane, WHOLE)
    await plane.group("spare")
    await plane.model("old")

    answer = await apply(plane, "models: [{name: gpt-4o, deployments: [{upstream: openai}]}]", prune=True)

    assert told(answer) == ["~model gpt-4o", "-model old", "-model small"]
    current = await plane.store.configuration.read()
    assert [it.name for it in current.models] == ["gpt-4o"]
    assert {it.name for it in current.groups} == {"main", "spare"}


async def test_users_may_go_with_what_they_use(plane: Plane) -> None:
    await apply(plane, WHOLE)

    answer = await apply(
        plane,
        "upstreams: [{name: new, provider: openai, api_key: k}]\n"
        "groups: [{name: new, members: [{upstream: new}]}]\n"
        "models: [{name: m, group: new}]\n"
        "listeners: [{name: l, address: '127.0.0.1:3001', default_group: new}]\n",
        prune=True,
    )

    assert set(told(answer)) == {
        *("+upstream new", "+group new", "+model m", "+listener l"),
        *(
            "-listener tenant",
            "-model gpt-4o",
            "-model small",
            "-group main",
            "-upstream openai",
            "-upstream own",
        ),
    }
    assert len((await plane.store.configuration.read()).projects) == 1, "projects are never pruned"


async def test_what_is_used_is_kept_and_told_once(plane: Plane) -> None:
    await apply(plane, WHOLE)
    before = await plane.store.configuration.read()
    only = "upstreams: [{name: openai, provider: openai, is_default: true}, {name: new, provider: openai}]"

    for dry_run in (True, False):
        answer = await apply(plane, only, prune=True, dry_run=dry_run)
        assert told(answer) == ["~upstream openai", "+upstream new"]
        assert kept(answer) == ["upstream own: the models gpt-4o and the groups main"]

    after = await plane.store.configuration.read()
    assert [it for it in after.upstreams if it.name == "own"] == [
        it for it in before.upstreams if it.name == "own"
    ]
    again = await apply(plane, only, prune=True)
    assert (told(again), kept(again)) == ([], kept(answer))


async def test_what_is_kept_keeps_what_it_uses(plane: Plane) -> None:
    """The listener stays, since no listener is named, and so does all below it."""
    await apply(plane, WHOLE)

    answer = await apply(
        plane,
        "upstreams: [{name: new, provider: openai}]\n"
        "groups: [{name: new, members: [{upstream: new}]}]\n"
        "models: [{name: m, group: new}]\n",
        prune=True,
    )

    assert told(answer) == ["+upstream new", "+group new", "+model m", "-model gpt-4o", "-model small"]
    assert kept(answer) == [
        "group main: the listeners tenant",
        "upstream openai: the groups main",
        "upstream own: the groups main",
    ]


async def test_what_the_description_itself_uses_is_kept(plane: Plane) -> None:
    await apply(plane, WHOLE)

    answer = await apply(
        plane,
        "upstreams: [{name: new, provider: openai}]\n"
        "groups: [{name: new, members: [{upstream: own}]}]\n"
        "models: [{name: m, group: new, fallbacks: [gpt-4]}]\n"
        "listeners: [{name: l, address: '127.0.0.1:3001', default_group: main}]\n",
        prune=True,
    )

    assert kept(answer) == [
        "model gpt-4o: the models m",  # by its alias
        "model small: the models gpt-4o",
        "group main: the models small and the listeners l",
        "upstream openai: the models gpt-4o and the groups main",
        "upstream own: the models gpt-4o and the groups main, new",
    ]
    assert [it for it in told(answer) if it.startswith("-")] == ["-listener tenant"]


async def test_a_fallback_that_another_serves_keeps_nothing(plane: Plane) -> None:
    await apply(plane, WHOLE)

    answer = await apply(
        plane,
        "models: [{name: '*', group: main}, {name: m, group: main, fallbacks: [gpt-4o]}]",
        prune=True,
    )

    assert (told(answer)[-2:], kept(answer)) == (["-model gpt-4o", "-model small"], [])


async def test_models_in_a_circle_of_their_own_go_together(plane: Plane) -> None:
    """What falls back to each other, and to which nobody else does."""
    await apply(plane, WHOLE)
    await apply(plane, "models: [{name: old, group: main, fallbacks: [gpt-4o]}]")

    answer = await apply(plane, "models: [{name: m, group: main}]", prune=True)

    assert told(answer) == ["+model m", "-model gpt-4o", "-model old", "-model small"]


async def test_a_default_that_is_kept_gives_it_up_all_the_same(plane: Plane) -> None:
    await apply(plane, WHOLE)

    answer = await apply(plane, "upstreams: [{name: new, provider: openai, is_default: true}]", prune=True)

    assert told(answer) == ["+upstream new", "~upstream openai"]
    assert len(kept(answer)) == 2
    current = await plane.store.configuration.read()
    assert [it.name for it in current.upstreams if it.is_default] == ["new"]


async def test_a_kind_may_be_emptied(plane: Plane) -> None:
    await apply(plane, WHOLE)
    assert told(await apply(plane, "listeners: []", prune=True)) == [], "an empty list is no name"

    emptied = request("models: [{name: small, group: main}]", prune=True)
    emptied.prune_kinds.extend(["listener", "group"])
    answer = await plane.call(emptied, pb.ApplyConfigurationResponse)

    assert told(answer) == ["-listener tenant", "-model gpt-4o"]
    assert kept(answer) == ["group main: the models small"]
    emptied.prune = False
    emptied.prune_kinds.append("upstream")
    assert told(await plane.call(emptied, pb.ApplyConfigurationResponse)) == [], "without prune nothing goes"
    emptied.prune_kinds.append("project")
    await plane.refuse(emptied, Reason.INVALID_ARGUMENT, field="prune_kinds[3]")


NAMES = st.sampled_from("abc")
LEFT_OUT = ["", "groups", "models"]
Described = dict[str, list[dict[str, object]]]


@st.composite
def described_anyhow(draw: st.DrawFn) -> Described:
    """Return a configuration that may lack anything but what it uses; models fall back to later ones."""
    upstreams = draw(st.sets(NAMES, min_size=1))
    groups = draw(st.sets(NAMES))
    models = sorted(draw(st.sets(NAMES)))
    used = st.sampled_from(sorted(upstreams))

    def model(position: int) -> dict[str, object]:
        in_group = bool(groups) and draw(st.booleans())
        served: dict[str, object] = (
            {"group": draw(st.sampled_from(sorted(groups)))}
            if in_group
            else {"deployments": [{"upstream": draw(used)}]}
        )
        later = models[position + 1 :]
        fallbacks = draw(st.lists(st.sampled_from(later), unique=True)) if later else []
        return {"name": models[position], "fallbacks": fallbacks, **served}

    return {
        "upstreams": [{"name": it, "provider": "openai"} for it in sorted(upstreams)],
        "groups": [{"name": it, "members": [{"upstream": draw(used)}]} for it in sorted(groups)],
        "models": [model(position) for position in range(len(models))],
    }


@given(before=described_anyhow(), wanted=described_anyhow(), left_out=st.sampled_from(LEFT_OUT))
@settings(max_examples=60)
async def test_what_is_left_fits_together_and_nothing_more_is_kept(
    tmp_path_factory: pytest.TempPathFactory, before: Described, wanted: Described, left_out: str
) -> None:
    if left_out == "groups":
        wanted["models"] = [it for it in wanted["models"] if "group" not in it]
        names = {it["name"] for it in wanted["models"]}
        for model in wanted["models"]:
            model["fallbacks"] = [it for it in cast("list[str]", model["fallbacks"]) if it in names]
    wanted.pop(left_out, None)
    file = msgspec.json.encode(wanted).decode()
    store = SqliteStore(tmp_path_factory.mktemp("pruned") / "store.db")
    await store.open()
    try:
        plane = Plane(store)
        await apply(plane, msgspec.json.encode(before).decode())
        answer = await apply(plane, file, prune=True)
        current = await store.configuration.read()
        again = await apply(plane, file, prune=True)
    finally:
        await store.close()
    entities = references.Entities(
        upstreams={it.name for it in current.upstreams},
        groups={it.name: it for it in current.groups},
        models={it.name: it for it in current.models},
        listeners={},
    )
    assert list(references.problems(entities)) == []
    users = {
        "upstream": lambda name: uses.by_kind(uses.of_upstream(name, current.models, current.groups)),
        "group": lambda name: uses.by_kind(uses.of_group(name, current.models, ())),
        "model": lambda name: uses.by_kind(uses.of_model(name, current.models)),
    }
    for it in answer.kept:
        assert it.used_by
        assert uses.told(users[it.kind](it.name)) == it.used_by
    assert (told(again), kept(again)) == ([], kept(answer))


async def test_a_default_that_is_pruned_is_just_gone(plane: Plane) -> None:
    await plane.upstream("old", is_default=True)

    answer = await apply(plane, "upstreams: [{name: new, provider: openai, is_default: true}]", prune=True)

    assert told(answer) == ["+upstream new", "-upstream old"]
