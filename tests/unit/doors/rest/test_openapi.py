"""The description of the API is whole, and true of what the doors do."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from buf.validate import validate_pb2
from tollkeeper_server.doors.rest.json import to_json
from tollkeeper_server.doors.rest.openapi import descriptions, make_document
from tollkeeper_server.doors.rest.routes import HttpBinding, routes
from tollkeeper_server.doors.rest.schemas import Schema
from tollkeeper_server.management.chain.registry import methods, policy_of

from tests.unit.doors.doors import all_messages, fields_within
from tests.unit.management.plane import Plane

DOCUMENT: Schema = make_document("1.2.3")


def operation(route: HttpBinding) -> dict[str, Any]:
    """Return the operation that describes a route."""
    found: dict[str, Any] = DOCUMENT["paths"][route.template.replace("=**", "")][route.verb.lower()]
    return found


def references(content: object) -> Iterator[str]:
    """Yield every reference in a document."""
    if isinstance(content, dict):
        for name, value in content.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(content, list):
        for value in content:
            yield from references(value)


def test_it_says_of_what_it_is() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["info"]["version"] == "1.2.3"
    assert DOCUMENT["security"] == [{"management_token": []}]


@pytest.mark.parametrize("route", routes(), ids=lambda it: f"{it.verb} {it.template}")
def test_every_route_is_described(route: HttpBinding) -> None:
    described = operation(route)
    assert described["description"].startswith(described["operationId"].partition("_")[0])
    assert str(policy_of(route.method).success_status or 200) in described["responses"]
    in_path = {it["name"] for it in described["parameters"] if it["in"] == "path"}
    assert in_path == set(re.findall(r"\{(\w+)", route.template))
    assert ("requestBody" in described) == (route.body == "*")
    for parameter in described["parameters"]:
        assert parameter["description"], parameter["name"]


def test_nothing_else_is_described() -> None:
    described = sum(len(operations) for operations in DOCUMENT["paths"].values())
    assert described == len(routes())
    ids = [it["operationId"] for operations in DOCUMENT["paths"].values() for it in operations.values()]
    assert len(set(ids)) == len(ids)
    assert {it.partition("_")[0] for it in ids} == {method.name for method in methods()}


def test_every_reference_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        *_, kind, name = reference.split("/")
        assert name in DOCUMENT["components"][kind], reference


def test_every_field_has_its_comment() -> None:
    comments = descriptions()
    for message in all_messages():
        for it in fields_within(message):
            assert comments.get(it.full_name), f"{it.full_name} has no comment; or run `make proto`"


def test_limits_and_requirements_come_from_the_rules() -> None:
    body = DOCUMENT["paths"]["/manage/projects"]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    assert body["required"] == ["name"]
    assert body["properties"]["name"]["maxLength"] == 128
    patch = DOCUMENT["paths"]["/manage/projects/{id}"]["patch"]["requestBody"]
    assert not patch["required"]
    assert "id" not in patch["content"]["application/json"]["schema"]["properties"]
    page_size = next(
        it for it in DOCUMENT["paths"]["/manage/tokens"]["get"]["parameters"] if it["name"] == "page_size"
    )
    assert (page_size["schema"]["minimum"], page_size["schema"]["maximum"]) == (0, 1000)


DURATION = "google.protobuf.Duration"
DURATIONS = {
    it.full_name: it.GetOptions().Extensions[validate_pb2.field].duration
    for message in all_messages()
    for it in fields_within(message)
    if it.message_type is not None and it.message_type.full_name == DURATION
}


@pytest.mark.parametrize("name", sorted(DURATIONS))
def test_the_example_of_a_duration_is_one_that_every_field_takes(name: str) -> None:
    rules = DURATIONS[name]
    assert not rules.HasField("gte") or rules.gte.ToTimedelta() <= timedelta(seconds=30)
    assert not rules.HasField("lte") or rules.lte.ToTimedelta() >= timedelta(seconds=30)


@pytest.mark.parametrize("route", routes(), ids=lambda it: f"{it.verb} {it.template}")
def test_every_parameter_has_an_example_unless_another_call_answers_it(route: HttpBinding) -> None:
    parameters = operation(route)["parameters"]
    without = {it["name"] for it in parameters if "example" not in it}
    assert without <= {"page_token", "etag", "If-Match", "Last-Event-ID"}


def conforms(value: object, schema: Schema) -> bool:
    """Return whether a value is of the form that a schema describes, as far as its types go."""
    if "anyOf" in schema:
        return any(conforms(value, option) for option in schema["anyOf"])
    if "$ref" in schema:
        return conforms(value, DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "enum" in schema:
        return value in schema["enum"]
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if value is None:
        return "null" in kinds
    if isinstance(value, dict) and "additionalProperties" in schema:
        return all(conforms(it, schema["additionalProperties"]) for it in value.values())
    if isinstance(value, dict):
        properties = schema["properties"]
        return set(value) == set(properties) and all(
            conforms(it, properties[name]) for name, it in value.items()
        )
    if isinstance(value, list):
        return "array" in kinds and all(conforms(it, schema["items"]) for it in value)
    name = {bool: "boolean", int: "integer", float: "number", str: "string"}[type(value)]
    return name in kinds


async def test_what_is_answered_is_what_is_described(plane: Plane) -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert conforms(to_json(await plane.project()), schemas["Project"])
    assert conforms(to_json(await plane.upstream()), schemas["Upstream"])
    assert conforms(to_json(await plane.model("m")), schemas["Model"])
    minted = await plane.mint((await plane.project()).id)
    assert conforms(to_json(minted), schemas["CreateTokenResponse"])
    assert conforms(to_json(await plane.token(minted.id)), schemas["Token"])
    assert not conforms({"id": 5}, schemas["Token"])


def test_only_streams_that_go_on_where_they_were_take_the_id_of_an_event() -> None:
    paths: dict[str, dict[str, Any]] = DOCUMENT["paths"]
    going_on = {
        path: any(it["name"] == "Last-Event-ID" for it in paths[path]["get"]["parameters"])
        for path in ("/manage/usage/watch", "/manage/status/watch")
    }
    assert going_on == {"/manage/usage/watch": True, "/manage/status/watch": False}
