"""What refers to an entity is listed, a page at a time, and is what a refused deletion tells of."""

from typing import Any

import pytest
from google.protobuf.message import Message
from tollkeeper.v1 import configuration_service_pb2 as pb
from tollkeeper.v1 import group_service_pb2 as groups
from tollkeeper.v1 import listener_service_pb2 as listeners
from tollkeeper.v1 import model_service_pb2 as models
from tollkeeper.v1 import token_service_pb2 as tokens
from tollkeeper.v1 import upstream_service_pb2 as upstreams
from tollkeeper_server.errors import Reason
from tollkeeper_server.management import uses
from tollkeeper_server.management.chain.chain import in_hand

from tests.unit.management.plane import Plane, make_call

PROJECT, UPSTREAM, GROUP, MODEL, LISTENER, TOKEN = range(1, 7)


async def references(plane: Plane, kind: int, name: str, page_size: int = 2) -> list[pb.Reference]:
    """Return all pages of what refers to an entity."""
    found: list[pb.Reference] = []
    token = ""
    while True:
        request = pb.ListReferencesRequest(
            kind=pb.EntityKind.ValueType(kind), name=name, page_size=page_size, page_token=token
        )
        answer = await plane.call(request, pb.ListReferencesResponse)
        assert len(answer.references) <= page_size
        found += answer.references
        token = answer.next_page_token
        if not token:
            return found


def shown(found: list[pb.Reference]) -> list[tuple[str, list[str], bool]]:
    """Return what matters of references."""
    return [(it.how, list(it.fields), it.prevents_deletion) for it in found]


async def allow(plane: Plane, project_id: str, name: str, *allowed: str) -> None:
    """Mint a token."""
    request = tokens.CreateTokenRequest(project_id=project_id, name=name, allowed_models=allowed)
    await plane.call(request, tokens.CreateTokenResponse)


async def test_each_way_of_use_is_told_by_its_fields_and_in_words(plane: Plane) -> None:
    for name in ("openai", "spare"):
        await plane.upstream(name)
    await plane.group("both", "spare", "openai")
    await plane.group("all")
    await plane.model("gpt", "alias")
    request = models.CreateModelRequest(name="grouped", group="all", fallbacks=["spare-1", "alias", "gpt"])
    await plane.model("spare-*", upstream="spare")
    await plane.call(request, models.CreateModelResponse)
    rules = [listeners.Rule(path="/a", group="both"), listeners.Rule(path="/b", group="all")]
    listening = listeners.CreateListenerRequest(
        name="tenant", address="127.0.0.1:3001", default_group="all", rules=rules
    )
    await plane.call(listening, listeners.CreateListenerResponse)

    assert shown(await references(plane, UPSTREAM, "openai")) == [
        ("member of group all", ["members[0].upstream"], True),
        ("member of group both", ["members[1].upstream"], True),
        ("deployment of model gpt", ["deployments[0].upstream"], True),
    ]
    assert shown(await references(plane, GROUP, "all")) == [
        ("group of model grouped", ["group"], True),
        ("default group and rule of listener tenant", ["default_group", "rules[1].group"], True),
    ]
    assert shown(await references(plane, MODEL, "gpt")) == [
        ("fallback of model grouped", ["fallbacks[1]", "fallbacks[2]"], True)
    ]
    assert shown(await references(plane, MODEL, "spare-*")) == [
        ("fallback of model grouped", ["fallbacks[0]"], True)
    ]
    assert await references(plane, LISTENER, "tenant") == []


async def test_tokens_refer_to_their_project_and_to_the_models_that_they_name(plane: Plane) -> None:
    await plane.upstream()
    await plane.model("gpt", "alias")
    await plane.model("alias-2")
    project, other = await plane.project("one"), await plane.project("other")
    await allow(plane, project.id, "free")
    await allow(plane, project.id, "named", "alias-2", "gpt")
    await allow(plane, project.id, "aliased", "alias")
    await allow(plane, other.id, "patterned", "none", "al*", "gp*")
    await allow(plane, other.id, "elsewhere", "gpt-4")

    allowing = await references(plane, MODEL, "gpt")
    assert [it.id for it in allowing] == sorted(it.id for it in allowing)
    assert sorted(shown(allowing)) == [
        ("allowed model of token aliased", ["allowed_models[0]"], False),
        ("allowed model of token named", ["allowed_models[1]"], False),
        ("allowed model of token patterned", ["allowed_models[1]", "allowed_models[2]"], False),
    ]
    named = await references(plane, PROJECT, project.id)
    assert sorted((it.name, it.how) for it in named) == [
        (name, f"project of token {name}") for name in ("aliased", "free", "named")
    ]
    assert all((it.kind, list(it.fields)) == (pb.ENTITY_KIND_TOKEN, ["project_id"]) for it in named)
    assert await references(plane, TOKEN, named[0].id) == []
    await plane.call(models.DeleteModelRequest(name="gpt"), models.DeleteModelResponse)


async def test_tokens_refer_to_the_pattern_that_serves_what_they_name(plane: Plane) -> None:
    await plane.upstream()
    for name in ("gpt-*", "gpt-5-*", "*"):
        await plane.model(name)
    await plane.model("gpt-4o", "gpt-best")
    project = await plane.project()
    await allow(plane, project.id, "served", "gpt-4", "o3")
    await allow(plane, project.id, "narrower", "gpt-4*")
    await allow(plane, project.id, "the same", "gpt-*")
    await allow(plane, project.id, "wider", "g*")
    await allow(plane, project.id, "another's", "gpt-4o", "gpt-best", "gpt-5-mini", "gpt-5-m*")
    await allow(plane, project.id, "around another's", "gpt-5*")

    found = await references(plane, MODEL, "gpt-*")
    assert sorted((it.name, list(it.fields)) for it in found) == [
        ("around another's", ["allowed_models[0]"]),
        ("narrower", ["allowed_models[0]"]),
        ("served", ["allowed_models[0]"]),
        ("the same", ["allowed_models[0]"]),
        ("wider", ["allowed_models[0]"]),
    ]
    found = await references(plane, MODEL, "gpt-5-*")
    assert sorted(it.name for it in found) == ["another's", "around another's", "the same", "wider"]
    found = await references(plane, MODEL, "*")
    assert [(it.name, list(it.fields)) for it in found] == [
        ("served", ["allowed_models[1]"]),
        ("wider", ["allowed_models[0]"]),
    ]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (PROJECT, "prj_" + "0" * 26),
        (UPSTREAM, "none"),
        (GROUP, "none"),
        (MODEL, "none"),
        (LISTENER, "none"),
        (TOKEN, "tok_" + "0" * 26),
    ],
)
async def test_of_what_is_not_there_nothing_is_listed(plane: Plane, kind: int, name: str) -> None:
    request = pb.ListReferencesRequest(kind=pb.EntityKind.ValueType(kind), name=name)
    await plane.refuse(request, Reason.NOT_FOUND, field="name")


async def test_a_page_belongs_to_its_entity(plane: Plane) -> None:
    await plane.upstream()
    for name in ("a", "b"):
        await plane.group(name)
        await plane.model(name)
    request = pb.ListReferencesRequest(kind=pb.ENTITY_KIND_UPSTREAM, name="openai", page_size=1)
    token = (await plane.call(request, pb.ListReferencesResponse)).next_page_token
    other = pb.ListReferencesRequest(kind=pb.ENTITY_KIND_GROUP, name="a", page_token=token)
    await plane.refuse(other, Reason.INVALID_ARGUMENT, field="page_token")


async def test_a_deletion_is_refused_for_those_that_are_listed_and_for_no_others(plane: Plane) -> None:
    """Of everything that a mixed configuration has, whatever uses it."""
    for name in ("u1", "u2", "u3"):
        await plane.upstream(name)
    for name, members in {"g1": ["u1"], "g2": ["u1", "u2"], "g3": ["u2"]}.items():
        await plane.group(name, *members)
    described: list[Message] = [
        models.CreateModelRequest(name="m1", aliases=["a1"], group="g1"),
        models.CreateModelRequest(
            name="p-*", deployments=[models.Deployment(upstream=it) for it in ("u1", "u2")]
        ),
        models.CreateModelRequest(name="m2", group="g1", fallbacks=["a1", "p-2"]),
        *(models.CreateModelRequest(name=f"n{it}", group="g2", fallbacks=["m2"]) for it in range(12)),
        listeners.CreateListenerRequest(name="l1", address="127.0.0.1:3001", default_group="g1"),
        listeners.CreateListenerRequest(
            name="l2", address="127.0.0.1:3002", rules=[listeners.Rule(path="/", group="g2")]
        ),
    ]
    project = await plane.project()
    for request in described:
        answer: type[Any] = (
            models.CreateModelResponse
            if isinstance(request, models.CreateModelRequest)
            else listeners.CreateListenerResponse
        )
        await plane.call(request, answer)
    await allow(plane, project.id, "t", "m1", "p-*", "n*")

    deletions: list[tuple[int, type[Any], list[str]]] = [
        (UPSTREAM, upstreams.DeleteUpstreamRequest, ["u1", "u2", "u3"]),
        (GROUP, groups.DeleteGroupRequest, ["g1", "g2", "g3"]),
        (MODEL, models.DeleteModelRequest, ["m1", "m2", "p-*", *(f"n{it}" for it in range(12))]),
        (LISTENER, listeners.DeleteListenerRequest, ["l1", "l2"]),
    ]
    refused = set()
    for kind, deletion, names in deletions:
        for name in names:
            found = await references(plane, kind, name, page_size=3)
            keeping: dict[str, list[str]] = {"models": [], "groups": [], "listeners": []}
            for it in found:
                if it.prevents_deletion:
                    keeping[f"{pb.EntityKind.Name(it.kind).removeprefix('ENTITY_KIND_').lower()}s"].append(
                        it.name
                    )
            request = deletion(name=name, validate_only=True)
            if any(keeping.values()):
                refused.add(name)
                error = await plane.refuse(request, Reason.IN_USE, field="name")
                assert f" is used by {uses.told(keeping)}; " in error.message
            else:
                await plane.chain().invoke(make_call(request), in_hand(request))
    assert refused == {"u1", "u2", "g1", "g2", "m1", "m2", "p-*"}
