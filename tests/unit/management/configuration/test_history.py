"""Every change of the configuration is a revision that says what it was, and never a secret."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tollkeeper.messages import fill
from tollkeeper.v1 import configuration_service_pb2 as pb
from tollkeeper.v1 import (
    gateway_service_pb2,
    group_service_pb2,
    limit_pb2,
    listener_service_pb2,
    model_service_pb2,
    price_service_pb2,
    project_service_pb2,
    session_service_pb2,
    token_service_pb2,
    upstream_service_pb2,
)
from tollkeeper_server.domain.author import Door
from tollkeeper_server.domain.revision import Bounds
from tollkeeper_server.errors import Reason
from tollkeeper_server.management.chain.chain import Call, OfferedSession, in_hand
from tollkeeper_server.management.chain.registry import changes_nothing, methods
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.unit.management.described import KEY, PROXY, WHOLE, apply, described
from tests.unit.management.plane import BY_REQUEST, MANAGEMENT_TOKEN, Plane

WORDS = {
    pb.CHANGE_ACTION_CREATE: "create",
    pb.CHANGE_ACTION_UPDATE: "update",
    pb.CHANGE_ACTION_DELETE: "delete",
}


class World:
    """What the methods of the walk are about."""

    def __init__(self, project_id: str, token_id: str, session_id: str) -> None:
        self.project_id = project_id
        self.token_id = token_id
        self.session_id = session_id


async def world(plane: Plane) -> World:
    """Make one entity of each kind, and a spare upstream."""
    project = await plane.project()
    token = await plane.mint(project.id)
    await plane.upstream()
    await plane.upstream("spare")
    await plane.group()
    await plane.group("unused")
    await plane.model("gpt-4o")
    await plane.listener()
    session, _ = await plane.sessions.begin(MANAGEMENT_TOKEN, address="192.0.2.1", user_agent="a browser")
    return World(project.id, token.id, session.id)


Request = Callable[[World], Message]
# What each method is asked in the world, and which changes that makes; tokens are no part of it.
WALK: dict[str, tuple[Request, list[str]]] = {
    "CreateProject": (
        lambda _: project_service_pb2.CreateProjectRequest(name="New"),
        ["create project New"],
    ),
    "UpdateProject": (
        lambda it: project_service_pb2.UpdateProjectRequest(id=it.project_id, name="Find"),
        ["update project Find"],
    ),
    "RevokeProjectTokens": (
        lambda it: project_service_pb2.RevokeProjectTokensRequest(id=it.project_id),
        [],
    ),
    "CreateToken": (lambda it: token_service_pb2.CreateTokenRequest(project_id=it.project_id), []),
    "UpdateToken": (lambda it: token_service_pb2.UpdateTokenRequest(id=it.token_id, max_requests=5), []),
    "RevokeToken": (lambda it: token_service_pb2.RevokeTokenRequest(id=it.token_id), []),
    "BatchRevokeTokens": (lambda it: token_service_pb2.BatchRevokeTokensRequest(ids=[it.token_id]), []),
    "RotateToken": (lambda it: token_service_pb2.RotateTokenRequest(id=it.token_id), []),
    "CreateUpstream": (
        lambda _: upstream_service_pb2.CreateUpstreamRequest(
            name="new", provider=upstream_service_pb2.PROVIDER_OPENAI
        ),
        ["create upstream new"],
    ),
    "UpdateUpstream": (
        lambda _: upstream_service_pb2.UpdateUpstreamRequest(name="openai", is_active=False),
        ["update upstream openai"],
    ),
    "DeleteUpstream": (
        lambda _: upstream_service_pb2.DeleteUpstreamRequest(name="spare"),
        ["delete upstream spare"],
    ),
    "TestUpstream": (lambda _: upstream_service_pb2.TestUpstreamRequest(name="openai"), []),
    "ResetBreaker": (lambda _: upstream_service_pb2.ResetBreakerRequest(name="openai"), []),
    "CreateGroup": (
        lambda _: group_service_pb2.CreateGroupRequest(
            name="new", members=[group_service_pb2.Member(upstream="spare")]
        ),
        ["create group new"],
    ),
    "UpdateGroup": (
        lambda _: group_service_pb2.UpdateGroupRequest(
            name="all", members=[group_service_pb2.Member(upstream="spare")]
        ),
        ["update group all"],
    ),
    "DeleteGroup": (lambda _: group_service_pb2.DeleteGroupRequest(name="unused"), ["delete group unused"]),
    "CreateModel": (
        lambda _: model_service_pb2.CreateModelRequest(name="new", group="all"),
        ["create model new"],
    ),
    "UpdateModel": (
        lambda _: model_service_pb2.UpdateModelRequest(name="gpt-4o", aliases=["best"]),
        ["update model gpt-4o"],
    ),
    "DeleteModel": (lambda _: model_service_pb2.DeleteModelRequest(name="gpt-4o"), ["delete model gpt-4o"]),
    "CreateListener": (
        lambda _: listener_service_pb2.CreateListenerRequest(name="new", address="127.0.0.1:3009"),
        ["create listener new"],
    ),
    "UpdateListener": (
        lambda _: listener_service_pb2.UpdateListenerRequest(name="tenant", is_active=False),
        ["update listener tenant"],
    ),
    "DeleteListener": (
        lambda _: listener_service_pb2.DeleteListenerRequest(name="tenant"),
        ["delete listener tenant"],
    ),
    "UpdateGateway": (
        lambda _: gateway_service_pb2.UpdateGatewayRequest(
            limits=[limit_pb2.Limit(measure=limit_pb2.LIMIT_MEASURE_CONCURRENT_REQUESTS, amount=9)]
        ),
        ["create gateway gateway"],
    ),
    "RevokeSession": (lambda it: session_service_pb2.RevokeSessionRequest(id=it.session_id), []),
    "RepriceUsage": (lambda _: reprice(), []),
    "RevokeAllSessions": (lambda _: session_service_pb2.RevokeAllSessionsRequest(), []),
    "ApplyConfiguration": (
        lambda _: pb.ApplyConfigurationRequest(
            configuration=described(
                "models: [{name: gpt-4o, aliases: [best], deployments: [{upstream: spare}]}]\n"
                "groups: [{name: new, members: [{upstream: openai}]}]\n"
                "projects: [{name: Search, tokens: [{name: ci, secret: sk-secret-of-ci}]}]"
            )
        ),
        ["create group new", "update model gpt-4o"],
    ),
}
# Under POST for their bodies alone.
ONLY_READS = {"ExplainRequest"}


def reprice() -> price_service_pb2.RepriceUsageRequest:
    """Return a request for the costs of the first second there was."""
    request = price_service_pb2.RepriceUsageRequest()
    request.start_time.FromSeconds(0)
    request.end_time.FromSeconds(1)
    return request


async def revisions(plane: Plane, *, kind: str = "", entity_id: str = "") -> Sequence[pb.Revision]:
    request = pb.ListRevisionsRequest(kind=kind, entity_id=entity_id)
    return (await plane.call(request, pb.ListRevisionsResponse)).revisions


async def diff(plane: Plane, first: int, last: int | None = None) -> Sequence[pb.ConfigurationChange]:
    request = pb.DiffRevisionsRequest(from_revision=first, to_revision=last, page_size=1000)
    return (await plane.call(request, pb.DiffRevisionsResponse)).changes


def named(revision: pb.Revision) -> list[str]:
    return [f"{WORDS[it.action]} {it.kind} {it.name}" for it in revision.changes]


def told(changes: Sequence[pb.ConfigurationChange]) -> list[tuple[str, list[tuple[str, str, str]]]]:
    return sorted(
        (
            f"{WORDS[it.action]} {it.kind} {it.name}",
            sorted((part.field, part.before, part.after) for part in it.fields),
        )
        for it in changes
    )


def test_the_walk_knows_every_method() -> None:
    assert {it.name for it in methods() if not changes_nothing(it)} == WALK.keys() | ONLY_READS


@pytest.mark.parametrize("name", WALK)
async def test_what_changes_the_configuration_is_one_revision(plane: Plane, name: str) -> None:
    make, changes = WALK[name]
    request = make(await world(plane))
    if "update_mask" in request.DESCRIPTOR.fields_by_name:
        changed: Any = request
        naming = {"id"} if name in {"UpdateProject", "UpdateToken"} else {"name"}
        given = {field.name for field, _ in request.ListFields()}
        changed.update_mask.paths.extend(sorted(given - naming))
    before = await plane.store.configuration.revision()
    answer = GetMessageClass(BY_REQUEST[request.DESCRIPTOR.full_name].output_type)

    await plane.call(request, answer, request_id="req-of-walk")

    after = await plane.store.configuration.revision()
    made = [it for it in await revisions(plane) if it.revision > before]
    assert [it.revision for it in made] == list(range(after, before, -1))
    assert [named(it) for it in made] == ([changes] if changes else [])
    for it in made:
        assert (it.method, it.caller, it.request_id) == (name, "management token", "req-of-walk")
        assert [f"{WORDS[one.action]} {one.kind} {one.name}" for one in await diff(plane, before)] == sorted(
            changes, key=lambda text: text.split()[1:]
        )


async def test_who_is_signed_in_is_known_by_the_session(plane: Plane) -> None:
    session, secret = await plane.sessions.begin(MANAGEMENT_TOKEN, address="192.0.2.1", user_agent="it")
    request = project_service_pb2.CreateProjectRequest(name="Search")
    call = Call(
        BY_REQUEST[request.DESCRIPTOR.full_name],
        "req-of-test",
        {},
        peer="192.0.2.7",
        session=OfferedSession(secret),
        door=Door.CONNECT,
    )
    await plane.chain().invoke(call, in_hand(request))

    (made,) = await revisions(plane)
    assert (made.caller, made.source, made.door, made.method) == (
        f"session {session.id}",
        "192.0.2.7",
        pb.REVISION_DOOR_CONNECT,
        "CreateProject",
    )
    assert secret not in str(made)


async def test_what_changes_nothing_is_no_revision(plane: Plane) -> None:
    await apply(plane, WHOLE)
    await apply(plane, WHOLE)
    await apply(plane, WHOLE.replace("canary", "other"), dry_run=True)
    request = upstream_service_pb2.UpdateUpstreamRequest(name="openai", is_active=True)
    request.update_mask.paths.append("is_active")
    await plane.call(request, upstream_service_pb2.UpdateUpstreamResponse)

    assert [it.revision for it in await revisions(plane)] == [1]


async def test_another_default_is_two_revisions_of_one_call(plane: Plane) -> None:
    await plane.upstream("first", is_default=True)
    await plane.upstream("second", is_default=True)

    latest, before, _ = await revisions(plane)
    assert (named(latest), named(before)) == (["update upstream first"], ["create upstream second"])
    assert latest.request_id == before.request_id


async def test_secrets_are_told_by_their_hints(plane: Plane, tmp_path: Path) -> None:
    await apply(plane, WHOLE)
    await apply(plane, WHOLE.replace("canary", "other"))
    await apply(plane, WHOLE.replace("0123456789", "9876543210"))

    changes = await diff(plane, 1)
    secrets = {f"{it.kind} {part.field}": part for it in changes for part in it.fields}
    assert {"upstream api_key", "upstream proxy_url", "project api_key"} <= secrets.keys()
    same = secrets["upstream api_key"]
    assert same.before == same.after != ""
    content = repr([changes, await diff(plane, 0), await revisions(plane)])
    with sqlite3.connect(tmp_path / "store.db") as file:
        content += repr(file.execute("SELECT * FROM revisions").fetchall())
        content += repr(file.execute("SELECT * FROM revision_changes").fetchall())
    file.close()
    for secret in (KEY, PROXY, "enc:v1", "canary-password", "other-password"):
        assert secret not in content


HEADERS = """
upstreams:
  - name: openai
    provider: openai
    header_operations:
      - {{action: replace, name: x-team, value: {team}}}
      - {{action: replace, name: X-Gateway-Token, value: {token}}}
groups: [{{name: main, members: [{{upstream: openai}}]}}]
listeners:
  - name: tenant
    address: 127.0.0.1:3001
    rules: [{{header: x-tenant, value: {tenant}, group: main}}]
"""


async def test_values_of_headers_are_hidden(plane: Plane, tmp_path: Path) -> None:
    """In the history and its differences, and in those of applying; that they changed is told."""
    states = [
        HEADERS.format(team="canary-0", token="canary-1", tenant="canary-2"),
        HEADERS.format(team="canary-0", token="canary-3", tenant="canary-4"),
        HEADERS.format(team="canary-6", token="canary-3", tenant="canary-4"),
        "upstreams: [{name: openai, provider: openai}]",
    ]
    applied = []
    for state in states:
        applied.append((await apply(plane, state, dry_run=True)).changes)
        applied.append((await apply(plane, state)).changes)

    changes = await diff(plane, 1, 2)
    assert told(changes) == told(applied[2])
    assert [(it.name, part.field) for it in changes for part in it.fields] == [
        ("tenant", "rules"),
        ("openai", "header_operations"),
    ]
    assert all("****" in part.after for it in changes for part in it.fields)
    ((both,),) = (it.fields for it in await diff(plane, 2, 3))
    assert both.before == both.after
    assert "x-team" in both.after
    (whole,) = (await diff(plane, 0, 2))[-1:]
    assert "X-Gateway-Token" in str(whole)
    everything = [await diff(plane, at, until) for until in range(1, 5) for at in range(until)]
    content = repr([everything, applied, await revisions(plane)])
    with sqlite3.connect(tmp_path / "store.db") as file:
        content += repr(file.execute("SELECT * FROM revisions").fetchall())
        content += repr(file.execute("SELECT * FROM revision_changes").fetchall())
    file.close()
    assert "canary" not in content


async def test_a_rename_is_told(plane: Plane) -> None:
    project = await plane.project("Search")
    request = fill(
        project_service_pb2.UpdateProjectRequest(), id=project.id, name="Find", description="x",
        update_mask=["name", "description"],
    )  # fmt: skip
    await plane.call(request, project_service_pb2.UpdateProjectResponse)

    (change,) = await diff(plane, 1)
    assert (change.id, change.name) == (project.id, "Find")
    assert [(it.field, it.before, it.after) for it in change.fields] == [
        ("name", '"Search"', '"Find"'),
        ("description", "", '"x"'),
    ]
    found = await revisions(plane, kind="project", entity_id=project.id)
    assert [named(it) for it in found] == [["update project Find"], ["create project Search"]]


async def test_pages(plane: Plane) -> None:
    for name in ("c", "a", "b"):
        await plane.upstream(name)
    first = await plane.call(pb.ListRevisionsRequest(page_size=2), pb.ListRevisionsResponse)
    rest = await plane.call(
        pb.ListRevisionsRequest(page_size=2, page_token=first.next_page_token), pb.ListRevisionsResponse
    )
    assert [[it.revision for it in page.revisions] for page in (first, rest)] == [[3, 2], [1]]
    assert rest.next_page_token == ""

    some = await plane.call(pb.DiffRevisionsRequest(page_size=2), pb.DiffRevisionsResponse)
    await plane.upstream("d")  # it is none of this list: that ends where its first page did
    others = await plane.call(
        pb.DiffRevisionsRequest(page_size=2, page_token=some.next_page_token), pb.DiffRevisionsResponse
    )
    assert [[it.name for it in page.changes] for page in (some, others)] == [["a", "b"], ["c"]]
    assert (others.next_page_token, others.revision) == ("", 3)
    for wrong in (
        pb.ListRevisionsRequest(page_token=first.next_page_token, kind="model"),
        pb.DiffRevisionsRequest(page_token=some.next_page_token, from_revision=1),
        pb.DiffRevisionsRequest(page_token="x"),
    ):
        await plane.refuse(wrong, Reason.INVALID_ARGUMENT, field="page_token")


async def test_what_the_history_does_not_reach_is_refused(plane: Plane) -> None:
    for name in ("a", "b", "c"):
        await plane.upstream(name)
    await plane.store.revisions.prune(Bounds(revisions=1))

    refusal = await plane.refuse(
        pb.DiffRevisionsRequest(from_revision=1, to_revision=3), Reason.NOT_FOUND, field="from_revision"
    )
    assert "revision 1 can't be compared; the history reaches back to revision 2" in refusal.message
    refusal = await plane.refuse(
        pb.DiffRevisionsRequest(from_revision=2, to_revision=9), Reason.NOT_FOUND, field="to_revision"
    )
    assert "the latest is 3" in refusal.message
    await plane.refuse(
        pb.DiffRevisionsRequest(from_revision=3, to_revision=2),
        Reason.INVALID_ARGUMENT,
        field="from_revision",
    )
    await plane.refuse(pb.ListRevisionsRequest(entity_id="a"), Reason.INVALID_ARGUMENT, field="kind")
    await plane.refuse(pb.ListRevisionsRequest(kind="token"), Reason.INVALID_ARGUMENT, field="kind")
    assert [it.name for it in await diff(plane, 2)] == ["c"]


async def test_of_very_many_the_fields_of_some_are_not_known(plane: Plane) -> None:
    upstreams = [{"name": f"u{number:03}", "provider": "openai"} for number in range(510)]
    await apply(plane, json.dumps({"upstreams": upstreams}))
    changed = [{**it, "is_active": False} for it in upstreams]
    await apply(plane, json.dumps({"upstreams": changed}))

    changes = await diff(plane, 1)
    assert [it.name for it in changes] == [it["name"] for it in upstreams]
    assert [it.without_fields for it in changes] == [False] * 500 + [True] * 10
    assert {len(it.fields) for it in changes[:500]} == {1}
    latest = (await revisions(plane))[0]
    assert (latest.updated_count, len(latest.changes)) == (510, 20)


NAMES = ("a", "b", "c")


@st.composite
def states(draw: st.DrawFn) -> str:
    """Draw a configuration in which all that is used is there."""
    upstreams = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    groups = draw(st.lists(st.sampled_from(NAMES), unique=True))
    models = draw(st.lists(st.sampled_from(NAMES), unique=True))
    default = draw(st.sampled_from([None, *upstreams]))
    members = st.lists(
        st.fixed_dictionaries(
            {"upstream": st.sampled_from(upstreams)}, optional={"weight": st.integers(1, 3)}
        ),
        min_size=1,
        max_size=3,
        unique_by=lambda it: it["upstream"],
    )
    policies = st.sampled_from([{}, {"policy": {"strategy": "failover"}}])
    return json.dumps(
        {
            "upstreams": [
                {
                    "name": it,
                    "provider": "openai",
                    "is_default": it == default,
                    **draw(st.sampled_from([{}, {"is_active": False}, {"timeouts": {"connect": "5s"}}])),
                }
                for it in upstreams
            ],
            "groups": [{"name": it, "members": draw(members), **draw(policies)} for it in groups],
            "models": [{"name": it, "deployments": draw(members), **draw(policies)} for it in models],
            "projects": [{"name": "P", "description": draw(st.sampled_from(["", "one", "two"]))}],
        }
    )


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=st.lists(states(), min_size=2, max_size=4), data=st.data())
async def test_differences_are_what_applying_the_later_would_tell(
    tmp_path_factory: pytest.TempPathFactory, sequence: list[str], data: st.DataObject
) -> None:
    """In the same words, however many revisions are between the two."""
    store = SqliteStore(tmp_path_factory.mktemp("states") / "store.db")
    await store.open()
    try:
        plane = Plane(store)
        begin = data.draw(st.integers(0, len(sequence) - 2))
        expected: pb.ApplyConfigurationResponse | None = None
        first = 0
        for number, state in enumerate(sequence):
            await put(plane, state)
            if number == begin:
                first = await store.configuration.revision()
                expected = await put(plane, sequence[-1], dry_run=True)

        assert expected is not None
        assert told(await diff(plane, first)) == told(expected.changes)
    finally:
        await store.close()


async def put(plane: Plane, state: str, *, dry_run: bool = False) -> pb.ApplyConfigurationResponse:
    request = pb.ApplyConfigurationRequest(
        configuration=described(state), dry_run=dry_run, prune=True, prune_kinds=["group", "model"]
    )
    return await plane.call(request, pb.ApplyConfigurationResponse)
