"""Lists are searched, sorted, filtered and counted; their pages lead through everything once."""

from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from tollkeeper.configuration import parse_document, write_document
from tollkeeper.messages import fill
from tollkeeper.v1 import (
    configuration_service_pb2,
    group_service_pb2,
    listener_service_pb2,
    model_service_pb2,
    project_service_pb2,
    token_service_pb2,
    upstream_service_pb2,
)
from tollkeeper_server.errors import Reason

from tests.unit.management.plane import Plane
from tests.unit.management.test_tokens import MISSING, _Stubborn

LISTS: dict[type[Message], type[Message]] = {
    project_service_pb2.ListProjectsRequest: project_service_pb2.ListProjectsResponse,
    token_service_pb2.ListTokensRequest: token_service_pb2.ListTokensResponse,
    upstream_service_pb2.ListUpstreamsRequest: upstream_service_pb2.ListUpstreamsResponse,
    group_service_pb2.ListGroupsRequest: group_service_pb2.ListGroupsResponse,
    model_service_pb2.ListModelsRequest: model_service_pb2.ListModelsResponse,
    listener_service_pb2.ListListenersRequest: listener_service_pb2.ListListenersResponse,
}
NAMED = list(LISTS)[2:]
ORDERS = {
    project_service_pb2.ListProjectsRequest: ["created_at", "updated_at", "name"],
    token_service_pb2.ListTokensRequest: ["created_at", "updated_at", "name", "expires_at", "last_used_at"],
    **{kind: ["name", "created_at", "updated_at"] for kind in NAMED},
}


async def names(plane: Plane, kind: type[Message], **asked: Any) -> list[str]:
    """Return the names of what a list has, read in pages of two."""
    found: list[str] = []
    token = ""
    while True:
        answer: Any = await plane.call(kind(page_size=2, page_token=token, **asked), LISTS[kind])
        found += [it.name for it in getattr(answer, next(iter(answer.DESCRIPTOR.fields_by_name)))]
        token = answer.next_page_token
        if not token:
            return found


async def some_of_each(plane: Plane) -> None:
    """Make five of each kind, at a time of its own each. Ids, which are searched too, never have an L."""
    project = await plane.project(name="owner")
    await plane.upstream("openai")
    await plane.group("all")
    for number, letter in enumerate("oLiUe"):
        plane.clock.now += timedelta(seconds=1)
        await plane.project(name=letter)
        request = token_service_pb2.CreateTokenRequest(project_id=project.id, name=letter)
        await plane.call(request, token_service_pb2.CreateTokenResponse)
        await plane.upstream(letter)
        await plane.group(letter)
        await plane.model(letter)
        await plane.listener(letter, f"127.0.0.1:{4000 + number}")


@pytest.mark.parametrize("kind", LISTS, ids=lambda it: it.__name__)
async def test_every_order_leads_through_everything_once(plane: Plane, kind: type[Message]) -> None:
    await some_of_each(plane)
    everything = await names(plane, kind)

    for order in ORDERS[kind]:
        forwards = await names(plane, kind, order_by=order)
        assert sorted(forwards) == sorted(everything)
        assert forwards == await names(plane, kind, order_by=f"{order} asc")
        assert forwards[::-1] == await names(plane, kind, order_by=f" {order}   desc ")
    assert [it for it in await names(plane, kind, order_by="created_at") if len(it) == 1] == list("oLiUe")
    assert everything == await names(plane, kind, order_by=ORDERS[kind][0])


async def test_names_of_projects_and_tokens_are_sorted_whatever_their_case(plane: Plane) -> None:
    await some_of_each(plane)
    assert await names(plane, token_service_pb2.ListTokensRequest, order_by="name") == list("eiLoU")
    assert await names(plane, model_service_pb2.ListModelsRequest, order_by="name") == list("LUeio")


@pytest.mark.parametrize("kind", LISTS, ids=lambda it: it.__name__)
@pytest.mark.parametrize("order", ["size", "name up", "name, created_at", "NAME", "name desc desc"])
async def test_an_unknown_order_is_refused(plane: Plane, kind: type[Message], order: str) -> None:
    request: Any = kind
    error = await plane.refuse(request(order_by=order), Reason.INVALID_ARGUMENT, field="order_by")
    assert all(it in error.message for it in ORDERS[kind])


@pytest.mark.parametrize("kind", LISTS, ids=lambda it: it.__name__)
async def test_lists_are_counted_if_asked(plane: Plane, kind: type[Message]) -> None:
    """The whole list, whatever the page; a page token holds with and without the count."""
    await some_of_each(plane)
    request: Any = kind
    response = LISTS[kind]
    everything = len(await names(plane, kind))

    first: Any = await plane.call(request(page_size=2, with_total=True), response)
    second: Any = await plane.call(
        request(page_size=2, page_token=first.next_page_token),
        response,
    )
    some: Any = await plane.call(request(search="L", with_total=True), response)
    last = second
    while last.next_page_token:
        last = await plane.call(
            request(page_size=2, page_token=last.next_page_token, with_total=True), response
        )

    assert first.total_size == last.total_size == everything
    assert not second.HasField("total_size")
    assert 1 <= some.total_size < everything


@pytest.mark.parametrize("kind", LISTS, ids=lambda it: it.__name__)
async def test_a_page_token_is_of_one_order_and_filter(plane: Plane, kind: type[Message]) -> None:
    await some_of_each(plane)
    request: Any = kind
    first: Any = await plane.call(request(page_size=2, order_by="updated_at"), LISTS[kind])
    for other in (
        request(page_token=first.next_page_token),
        request(page_token=first.next_page_token, order_by="updated_at desc"),
        request(page_token=first.next_page_token, order_by="updated_at", search="a"),
    ):
        await plane.refuse(other, Reason.INVALID_ARGUMENT, field="page_token")


@pytest.mark.parametrize("length", [1, 128])
async def test_pages_go_on_behind_any_name(plane: Plane, length: int) -> None:
    """The longest names there are make page tokens that are taken."""
    for letter in "\u0390\U0001f680":
        await plane.project(name=letter * length)
    found = await names(plane, project_service_pb2.ListProjectsRequest, order_by="name")
    await plane.project(name="{")
    assert len(found) == 2
    assert len(await names(plane, project_service_pb2.ListProjectsRequest, order_by="name desc")) == 3


async def test_what_is_searched(plane: Plane) -> None:
    """What the protos say, in any case, and nothing else."""
    one = await plane.project(name="Größe", description="Nightly\njobs")
    request: Any = project_service_pb2.UpdateProjectRequest(id=one.id, labels={"team": "Research"})
    await plane.call(request, project_service_pb2.UpdateProjectResponse)
    await plane.project(name="other")
    kind = project_service_pb2.ListProjectsRequest
    for text in ("GRÖSSE", "gro\u0308ße", "night", "TEAM=research", one.id[4:].upper(), " jobs "):
        assert await names(plane, kind, search=text) == ["Größe"], text
    for text in ("openai", "%", "r_ße", ".*"):
        assert await names(plane, kind, search=text) == []
    await plane.refuse(kind(search="a\nb"), Reason.INVALID_ARGUMENT, field="search")
    await plane.refuse(kind(search="x" * 129), Reason.INVALID_ARGUMENT, field="search")


async def test_entities_are_found_by_what_people_know_of_them(plane: Plane) -> None:
    """Upstreams by their provider, groups by members, models by aliases, listeners by addresses."""
    await plane.upstream("one")
    await plane.group("two", "one")
    await plane.model("three", "drei", upstream="one")
    await plane.listener("four", "127.0.0.1:4711")
    assert await names(plane, upstream_service_pb2.ListUpstreamsRequest, search="OPENAI") == ["one"]
    assert await names(plane, group_service_pb2.ListGroupsRequest, search="one") == ["two"]
    assert await names(plane, model_service_pb2.ListModelsRequest, search="Drei") == ["three"]
    assert await names(plane, listener_service_pb2.ListListenersRequest, search=":4711") == ["four"]


async def test_activity_is_a_filter(plane: Plane) -> None:
    one, _two = await plane.project(name="one"), await plane.project(name="two")
    await plane.deactivate(one.id)
    kind = project_service_pb2.ListProjectsRequest
    assert await names(plane, kind, is_active=False) == ["one"]
    assert await names(plane, kind, is_active=True) == await names(plane, kind, active_only=True) == ["two"]
    assert await names(plane, kind, is_active=True, active_only=True) == ["two"]
    await plane.refuse(kind(is_active=False, active_only=True), Reason.INVALID_ARGUMENT, field="active_only")
    await plane.upstream("off")
    request = upstream_service_pb2.UpdateUpstreamRequest(name="off", is_active=False)
    await plane.call(request, upstream_service_pb2.UpdateUpstreamResponse)
    await plane.upstream("on")
    assert await names(plane, upstream_service_pb2.ListUpstreamsRequest, is_active=False) == ["off"]
    assert await names(plane, upstream_service_pb2.ListUpstreamsRequest, is_active=True) == ["on"]


async def test_projects_are_found_by_ids_and_labels(plane: Plane) -> None:
    ids = [(await plane.project(name=name)).id for name in ("one", "two", "three")]
    request = project_service_pb2.UpdateProjectRequest(id=ids[1], labels={"team": "a", "tier": "1"})
    await plane.call(request, project_service_pb2.UpdateProjectResponse)
    kind = project_service_pb2.ListProjectsRequest
    assert await names(plane, kind, ids=[ids[2], "prj_" + "0" * 26, ids[0]]) == ["one", "three"]
    assert await names(plane, kind, labels={"team": "a"}) == ["two"]
    assert await names(plane, kind, labels={"team": "a", "tier": "2"}) == []
    await plane.refuse(
        kind(ids=["prj_" + f"{n:026d}" for n in range(101)]), Reason.INVALID_ARGUMENT, field="ids"
    )


async def test_tokens_have_a_state_and_the_name_of_their_project(plane: Plane) -> None:
    """Each state is shown and found, at the time of the call."""
    project = (await plane.project(name="Search")).id
    day = 24 * 60
    asked = {
        "active": {},
        "later": {"duration_minutes": 8 * day},
        "expiring": {"duration_minutes": 7 * day},
        "expired": {"duration_minutes": 1},
        "exhausted": {"max_requests": 1},
        "revoked": {},
    }
    ids = {}
    for name, limits in asked.items():
        request = fill(token_service_pb2.CreateTokenRequest(), project_id=project, name=name, **limits)
        ids[name] = (await plane.call(request, token_service_pb2.CreateTokenResponse)).id
    assert await plane.store.tokens.admit(ids["exhausted"], at=plane.clock())
    await plane.call(
        token_service_pb2.RevokeTokenRequest(id=ids["revoked"]), token_service_pb2.RevokeTokenResponse
    )
    plane.clock.now += timedelta(minutes=1)
    words = token_service_pb2.TokenState.DESCRIPTOR.values_by_name
    kind = token_service_pb2.ListTokensRequest

    for name in ("expiring", "expired", "exhausted", "revoked"):
        state = words[f"TOKEN_STATE_{name.upper()}"].number
        assert await names(plane, kind, states=[state]) == [name]
        assert (await plane.token(ids[name])).state == state
    active = token_service_pb2.TOKEN_STATE_ACTIVE
    assert await names(plane, kind, states=[active]) == ["active", "later"]
    assert {it.project_name for it in [await plane.token(ids["active"])]} == {"Search"}
    assert await names(plane, kind, active_only=True) == ["active", "later", "expiring", "exhausted"]
    revoked = token_service_pb2.TOKEN_STATE_REVOKED
    assert await names(plane, kind, active_only=True, states=[active, revoked]) == ["active", "later"]
    await plane.refuse(kind(active_only=True, states=[revoked]), Reason.INVALID_ARGUMENT, field="active_only")
    await plane.refuse(fill(kind(), states=[0]), Reason.INVALID_ARGUMENT, field="states[0]")
    answer = await plane.call(kind(page_size=1), token_service_pb2.ListTokensResponse)
    assert (answer.tokens[0].project_name, answer.tokens[0].state) == ("Search", active)


async def test_descriptions_and_labels_are_kept_and_changed(plane: Plane) -> None:
    project = await plane.project(description="one")
    request = token_service_pb2.CreateTokenRequest(
        project_id=project.id, description="two", labels={"a": "b"}
    )
    token_id = (await plane.call(request, token_service_pb2.CreateTokenResponse)).id
    token = await plane.token(token_id)
    assert (project.description, token.description, dict(token.labels)) == ("one", "two", {"a": "b"})

    change = token_service_pb2.UpdateTokenRequest(id=token_id, labels={"c": "d"})
    changed = (await plane.call(change, token_service_pb2.UpdateTokenResponse)).token
    assert (changed.description, dict(changed.labels)) == ("two", {"c": "d"})
    removal = token_service_pb2.UpdateTokenRequest(
        id=token_id, update_mask=FieldMask(paths=["labels", "description"])
    )
    bare = (await plane.call(removal, token_service_pb2.UpdateTokenResponse)).token
    assert (bare.description, dict(bare.labels)) == ("", {})


async def test_files_carry_descriptions_and_labels(plane: Plane) -> None:
    """Exported and applied again they are the same; left out, they are gone, as the difference says."""

    def described(**texts: Any) -> configuration_service_pb2.Configuration:
        token = configuration_service_pb2.ConfiguredToken(name="t", **texts)
        project = configuration_service_pb2.ConfiguredProject(name="p", tokens=[token], **texts)
        return configuration_service_pb2.Configuration(projects=[project])

    async def changes(wanted: configuration_service_pb2.Configuration) -> list[tuple[str, str, str, str]]:
        request = configuration_service_pb2.ApplyConfigurationRequest(configuration=wanted)
        answer = await plane.call(request, configuration_service_pb2.ApplyConfigurationResponse)
        return [
            (it.kind, field.field, field.before, field.after) for it in answer.changes for field in it.fields
        ]

    whole = described(description="of\n${x}", labels={"a": "b", "c": ""})
    await changes(whole)
    exported = await plane.call(
        configuration_service_pb2.ExportConfigurationRequest(),
        configuration_service_pb2.ExportConfigurationResponse,
    )
    assert exported.configuration == whole
    assert parse_document(write_document(whole)) == whole
    assert await changes(whole) == []
    assert await changes(described(description="new")) == [
        (kind, *change)
        for kind in ("project", "token")
        for change in (
            ("description", '"of\\n${x}"', '"new"'),
            ("labels", '{"a":"b","c":""}', ""),
        )
    ]


@pytest.mark.parametrize(
    ("labels", "field"),
    [
        ({"Team": "a"}, "labels[Team]"),
        ({"a.b": "a"}, "labels[a.b]"),
        ({"a": "x\n"}, "labels[a]"),
        ({"a": "x" * 129}, "labels[a]"),
        ({f"n{number}": "" for number in range(33)}, "labels"),
    ],
)
async def test_labels_are_bounded(plane: Plane, labels: dict[str, str], field: str) -> None:
    request = project_service_pb2.CreateProjectRequest(name="p", labels=labels)
    await plane.refuse(request, Reason.INVALID_ARGUMENT, field=field)


async def test_the_last_use_of_a_project_is_shown(plane: Plane) -> None:
    project = await plane.project()
    request = token_service_pb2.CreateTokenRequest(project_id=project.id, max_requests=3)
    token = await plane.call(request, token_service_pb2.CreateTokenResponse)
    assert not project.HasField("last_used_at")
    assert await plane.store.tokens.admit(token.id, at=plane.clock())

    get = project_service_pb2.GetProjectRequest(id=project.id)
    shown = (await plane.call(get, project_service_pb2.GetProjectResponse)).project
    listed = await plane.call(
        project_service_pb2.ListProjectsRequest(), project_service_pb2.ListProjectsResponse
    )

    assert shown.last_used_at.ToDatetime(tzinfo=plane.clock.now.tzinfo) == plane.clock.now
    assert list(listed.projects) == [shown]


async def test_several_tokens_are_revoked_in_one_call(plane: Plane) -> None:
    """Each id is in one list of the answer, and every revocation is told to the other processes."""
    project = (await plane.project()).id
    tokens = [(await plane.mint(project)).id for _ in range(4)]
    await plane.call(
        token_service_pb2.RevokeTokenRequest(id=tokens[0]), token_service_pb2.RevokeTokenResponse
    )
    plane.store.tokens = _Stubborn(plane.store, tokens[1])
    plane.told.clear()

    answer = await plane.call(
        token_service_pb2.BatchRevokeTokensRequest(ids=[*tokens, MISSING]),
        token_service_pb2.BatchRevokeTokensResponse,
    )

    assert list(answer.revoked) == tokens[2:]
    assert list(answer.already_revoked) == tokens[:1]
    assert [(it.id, it.reason) for it in answer.failed] == [
        (tokens[1], "STORE_UNAVAILABLE"),
        (MISSING, "NOT_FOUND"),
    ]
    assert all(it.message for it in answer.failed)
    told = {change.token.id: change.token.is_active for change in plane.told if change.token}
    assert told == dict.fromkeys(tokens[2:], False)
    assert [(await plane.token(it)).is_active for it in tokens] == [False, True, False, False]
    for ids in ([], [tokens[0]] * 2, [f"tok_{number:026d}" for number in range(1001)]):
        await plane.refuse(
            token_service_pb2.BatchRevokeTokensRequest(ids=ids), Reason.INVALID_ARGUMENT, field="ids"
        )
