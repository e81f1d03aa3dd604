"""With `validate_only` a call of any method is answered or refused as it would be, and writes nothing."""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pymongo
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from tollkeeper.messages.fields import VALIDATE_ONLY
from tollkeeper.v1 import gateway_service_pb2 as gateways
from tollkeeper.v1 import group_service_pb2 as groups
from tollkeeper.v1 import limit_pb2
from tollkeeper.v1 import listener_service_pb2 as listeners
from tollkeeper.v1 import model_service_pb2 as models
from tollkeeper.v1 import project_service_pb2 as projects
from tollkeeper.v1 import token_service_pb2 as tokens
from tollkeeper.v1 import upstream_service_pb2 as upstreams
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.management.chain.chain import in_hand
from tollkeeper_server.management.chain.registry import can_validate_only, changes_nothing, methods
from tollkeeper_server.store.ports import Store
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.unit.management.plane import Plane, make_call

OPENAI = upstreams.PROVIDER_OPENAI
RATE = limit_pb2.Limit(measure=limit_pb2.LIMIT_MEASURE_REQUESTS_PER_MINUTE, amount=60)
NO_PROJECT = "prj_" + "0" * 26
NO_TOKEN = "tok_" + "0" * 26
# What changes no configuration, as the end of a session does not, or has `dry_run` for the same.
OTHERS = {
    "ApplyConfiguration",
    "ExplainRequest",
    "RepriceUsage",
    "TestUpstream",
    "ResetBreaker",
    "RevokeSession",
    "RevokeAllSessions",
}


@dataclass
class World:
    """What is configured: ids by names."""

    ids: dict[str, str] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        return self.ids[name]


async def configured(plane: Plane) -> World:
    """Configure some of everything: what is used, what is not, and what is inactive."""
    world = World()
    for name in ("active", "inactive"):
        project = await plane.project(name)
        world.ids[name] = project.id
        for which in ("one", "two"):
            world.ids[f"{name} {which}"] = (await plane.mint(project.id)).id
    secret = tokens.CreateTokenRequest(project_id=world["active"], secret="taken-secret")
    await plane.call(secret, tokens.CreateTokenResponse)
    await plane.call(tokens.RevokeTokenRequest(id=world["inactive two"]), tokens.RevokeTokenResponse)
    await plane.deactivate(world["inactive"])
    await plane.upstream(is_default=True)
    await plane.upstream("spare")
    await plane.group("all")
    await plane.group("free")
    await plane.model("gpt", "alias")
    await plane.model("other")
    fallback = models.CreateModelRequest(
        name="falling", deployments=[models.Deployment(upstream="openai")], fallbacks=["alias"]
    )
    await plane.call(fallback, models.CreateModelResponse)
    await plane.listener(default_group="all")
    plane.ports["127.0.0.1:3009"] = "another program listens there"
    return world


def deployed(name: str, **more: Any) -> models.CreateModelRequest:
    """Return the request for a model on the upstream."""
    return models.CreateModelRequest(name=name, deployments=[models.Deployment(upstream="openai")], **more)


def members(*names: str) -> list[groups.Member]:
    """Return members of a group."""
    return [groups.Member(upstream=it) for it in names]


# The calls to try of each method; those that change something stand first.
CASES: dict[str, Callable[[World], list[Message]]] = {
    "CreateProject": lambda _: [
        projects.CreateProjectRequest(name="p", api_key="sk-of-a-project", labels={"team": "a"}),
        projects.CreateProjectRequest(name=""),
        projects.CreateProjectRequest(name="p", api_key="one", openai_api_key="other"),
    ],
    "UpdateProject": lambda it: [
        projects.UpdateProjectRequest(id=it["active"], name="renamed", api_key="sk-of-a-project"),
        projects.UpdateProjectRequest(id=it["active"], is_active=False, revoke_tokens=True),
        projects.UpdateProjectRequest(id=it["inactive"], is_active=False),
        projects.UpdateProjectRequest(id=it["active"], name="late", etag="stale"),
        projects.UpdateProjectRequest(id=NO_PROJECT, name="late"),
        projects.UpdateProjectRequest(id=it["active"], api_key="one", openai_api_key="other"),
    ],
    "RevokeProjectTokens": lambda it: [
        projects.RevokeProjectTokensRequest(id=it["active"]),
        projects.RevokeProjectTokensRequest(id=NO_PROJECT),
    ],
    "CreateToken": lambda it: [
        tokens.CreateTokenRequest(project_id=it["active"], name="t", duration_minutes=5, max_requests=3),
        tokens.CreateTokenRequest(project_id=it["active"], secret="a-free-secret"),
        tokens.CreateTokenRequest(project_id=it["active"], secret="taken-secret"),
        tokens.CreateTokenRequest(project_id=it["active"], limits=[RATE, RATE]),
        tokens.CreateTokenRequest(project_id=it["inactive"]),
        tokens.CreateTokenRequest(project_id=NO_PROJECT),
        tokens.CreateTokenRequest(project_id="p"),
    ],
    "UpdateToken": lambda it: [
        tokens.UpdateTokenRequest(id=it["active one"], name="renamed", duration_minutes=5),
        tokens.UpdateTokenRequest(id=it["active one"], is_active=False),
        tokens.UpdateTokenRequest(id=it["active two"], is_active=True),
        tokens.UpdateTokenRequest(id=it["inactive two"], is_active=True),
        tokens.UpdateTokenRequest(id=it["active one"], name="late", etag="stale"),
        tokens.UpdateTokenRequest(id=NO_TOKEN, name="late"),
    ],
    "RevokeToken": lambda it: [
        tokens.RevokeTokenRequest(id=it["active one"]),
        tokens.RevokeTokenRequest(id=it["inactive two"]),
        tokens.RevokeTokenRequest(id=NO_TOKEN),
    ],
    "BatchRevokeTokens": lambda it: [
        tokens.BatchRevokeTokensRequest(ids=[it["active one"], it["inactive two"], NO_TOKEN]),
        tokens.BatchRevokeTokensRequest(),
    ],
    "RotateToken": lambda it: [
        tokens.RotateTokenRequest(id=it["active one"]),
        tokens.RotateTokenRequest(id=it["inactive one"]),
        tokens.RotateTokenRequest(id=it["active one"], etag="stale"),
        tokens.RotateTokenRequest(id=NO_TOKEN),
    ],
    "CreateUpstream": lambda _: [
        upstreams.CreateUpstreamRequest(name="new", provider=OPENAI, api_key="sk-key", is_default=True),
        upstreams.CreateUpstreamRequest(name="openai", provider=OPENAI),
        upstreams.CreateUpstreamRequest(name="bad", provider=OPENAI, base_url="ftp://x", full_url="x"),
        upstreams.CreateUpstreamRequest(name="no name", provider=OPENAI),
    ],
    "UpdateUpstream": lambda _: [
        upstreams.UpdateUpstreamRequest(name="spare", is_default=True, api_key="sk-key"),
        upstreams.UpdateUpstreamRequest(name="openai", is_active=False),
        upstreams.UpdateUpstreamRequest(name="spare", base_url="ftp://x"),
        upstreams.UpdateUpstreamRequest(name="spare", is_active=False, etag="stale"),
        upstreams.UpdateUpstreamRequest(name="none", is_active=False),
    ],
    "DeleteUpstream": lambda _: [
        upstreams.DeleteUpstreamRequest(name="spare"),
        upstreams.DeleteUpstreamRequest(name="openai"),
        upstreams.DeleteUpstreamRequest(name="openai", etag="stale"),
        upstreams.DeleteUpstreamRequest(name="none"),
    ],
    "CreateGroup": lambda _: [
        groups.CreateGroupRequest(name="new", members=members("openai", "spare")),
        groups.CreateGroupRequest(name="all", members=members("openai")),
        groups.CreateGroupRequest(name="new one", members=members("openai")),
        groups.CreateGroupRequest(name="bad", members=members("none", "openai", "openai")),
        groups.CreateGroupRequest(name="bad", members=members("none", "openai")),
    ],
    "UpdateGroup": lambda _: [
        groups.UpdateGroupRequest(name="all", members=members("openai", "spare")),
        groups.UpdateGroupRequest(name="all", members=members("none")),
        groups.UpdateGroupRequest(name="all", members=members("spare"), etag="stale"),
        groups.UpdateGroupRequest(name="none", members=members("openai")),
    ],
    "DeleteGroup": lambda _: [
        groups.DeleteGroupRequest(name="free"),
        groups.DeleteGroupRequest(name="all"),
        groups.DeleteGroupRequest(name="none"),
    ],
    "CreateModel": lambda _: [
        deployed("new", aliases=["newest"], fallbacks=["gpt"]),
        deployed("gpt"),
        deployed("bad", aliases=["alias"]),
        deployed("bad", fallbacks=["none"]),
        models.CreateModelRequest(name="bad", group="none"),
        models.CreateModelRequest(name="bad", deployments=[models.Deployment(upstream="none")]),
        models.CreateModelRequest(name="bad"),
    ],
    "UpdateModel": lambda _: [
        models.UpdateModelRequest(name="gpt", aliases=["alias", "more"], is_active=False),
        models.UpdateModelRequest(name="gpt", fallbacks=["falling"]),
        models.UpdateModelRequest(name="gpt", aliases=["another"]),
        models.UpdateModelRequest(name="gpt", is_active=True, etag="stale"),
        models.UpdateModelRequest(name="none", is_active=False),
    ],
    "DeleteModel": lambda _: [
        models.DeleteModelRequest(name="other"),
        models.DeleteModelRequest(name="gpt"),
        models.DeleteModelRequest(name="none"),
    ],
    "CreateListener": lambda _: [
        listeners.CreateListenerRequest(name="new", address="127.0.0.1:3002", default_group="all"),
        listeners.CreateListenerRequest(name="tenant", address="127.0.0.1:3003"),
        listeners.CreateListenerRequest(name="bad", address="127.0.0.1:3001"),
        listeners.CreateListenerRequest(name="bad", address="127.0.0.1:3009"),
        listeners.CreateListenerRequest(name="bad", address="127.0.0.1:3004", default_group="none"),
        listeners.CreateListenerRequest(name="main", address="127.0.0.1:3004"),
        listeners.CreateListenerRequest(name="bad", address="127.0.0.1:3004", tls=True),
    ],
    "UpdateListener": lambda _: [
        listeners.UpdateListenerRequest(name="tenant", address="127.0.0.1:3005"),
        listeners.UpdateListenerRequest(name="tenant", address="127.0.0.1:3009"),
        listeners.UpdateListenerRequest(name="tenant", default_group="none"),
        listeners.UpdateListenerRequest(name="tenant", tls=True),
        listeners.UpdateListenerRequest(name="tenant", is_active=False, etag="stale"),
        listeners.UpdateListenerRequest(name="none", is_active=False),
    ],
    "DeleteListener": lambda _: [
        listeners.DeleteListenerRequest(name="tenant"),
        listeners.DeleteListenerRequest(name="none"),
        listeners.DeleteListenerRequest(name="tenant", etag="stale"),
    ],
    "UpdateGateway": lambda _: [
        gateways.UpdateGatewayRequest(limits=[RATE], etag="0-0"),
        gateways.UpdateGatewayRequest(limits=[RATE], etag="0-0"),
        gateways.UpdateGatewayRequest(limits=[RATE, RATE]),
        gateways.UpdateGatewayRequest(),
    ],
}
METHODS = {it.name: it for it in methods() if can_validate_only(it)}


def test_every_method_that_changes_something_can_only_be_checked_and_is_tried() -> None:
    assert {it.name for it in methods() if not changes_nothing(it)} - METHODS.keys() == OTHERS
    assert METHODS.keys() == CASES.keys()
    assert not [it.name for it in METHODS.values() if changes_nothing(it)]


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
async def test_it_answers_as_the_call_does_and_writes_nothing(
    method: MethodDescriptor, store: Store, store_url: str
) -> None:
    plane = Plane(
        cast("SqliteStore", store), tls_problem="the process has no certificate"
    )  # or another engine
    world = await configured(plane)
    requests = CASES[method.name](world)
    assert {it.DESCRIPTOR.full_name for it in requests} == {method.input_type.full_name}

    changed = []
    for request in requests:
        before = content(store_url)
        plane.told.clear()
        plane.clock.now = now = plane.clock.now
        checked = await outcome(plane, request, validate_only=True)
        assert content(store_url) == before
        assert plane.told == []

        plane.clock.now = now
        done = await outcome(plane, request, validate_only=False)
        assert checked == without_what_is_made(request, done)
        changed.append(content(store_url) != before)
        if isinstance(done, tuple):
            assert not changed[-1], "a call that is refused changes nothing"
    assert changed[0], "the first one is a call that changes something"
    assert changed == sorted(changed, reverse=True)
    assert not all(changed), "some calls are refused, too"


async def outcome(plane: Plane, request: Message, *, validate_only: bool) -> object:
    """Return the answer, or what the refusal says."""
    asked = type(request)()
    asked.CopyFrom(request)
    setattr(asked, VALIDATE_ONLY, validate_only)
    try:
        return await plane.chain().invoke(make_call(asked), in_hand(asked))
    except TollkeeperError as error:
        return error.reason, error.message, error.field, error.violations, error.retry_after


def without_what_is_made(request: Message, answer: object) -> object:
    """Return an answer without the ids and secrets that were made for it."""
    if isinstance(answer, projects.CreateProjectResponse):
        answer.project.ClearField("id")
    if isinstance(answer, tokens.CreateTokenResponse):
        answer.ClearField("id")
        if not cast("tokens.CreateTokenRequest", request).secret:
            answer.ClearField("token")
    if isinstance(answer, tokens.RotateTokenResponse):
        answer.ClearField("token")
    return answer


# A virtual table is an index: what it holds is in tables of its own.
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"


def content(url: str) -> dict[str, list[str]]:
    """Return all that is in a store, table by table, as it is stored."""
    return dict(_content(url))


def _content(url: str) -> Iterator[tuple[str, list[str]]]:
    if url.startswith("sqlite:///"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        tables = [name for (name,) in connection.execute(_TABLES)]
        for table in tables:
            yield table, sorted(map(repr, connection.execute(f"SELECT * FROM {table}")))  # noqa: S608
        connection.close()
        return
    with pymongo.MongoClient[dict[str, object]](url) as client:
        database = client.get_default_database()
        for name in database.list_collection_names():
            yield name, sorted(map(repr, database[name].find()))


async def test_a_check_says_no_more_than_what_it_is(store: Store) -> None:
    """Nobody may take what a check answers for a token: it has neither an id nor a secret."""
    plane = Plane(cast("SqliteStore", store))
    project = await plane.project()
    request = tokens.CreateTokenRequest(project_id=project.id, validate_only=True)
    minted = await plane.call(request, tokens.CreateTokenResponse)
    assert (minted.id, minted.token, minted.project_id) == ("", "", project.id)

    token = await plane.mint(project.id)
    rotation = tokens.RotateTokenRequest(id=token.id, validate_only=True)
    assert (await plane.call(rotation, tokens.RotateTokenResponse)).token == ""
    made = projects.CreateProjectRequest(name="p", validate_only=True)
    assert (await plane.call(made, projects.CreateProjectResponse)).project.id == ""
