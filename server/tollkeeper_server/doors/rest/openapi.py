"""`/openapi.json`: the REST door's description, generated from the descriptors (OpenAPI 3.1)."""

import json
from importlib.resources import files

from google.protobuf.descriptor import FieldDescriptor
from tollkeeper.messages.fields import is_map
from tollkeeper.services import SERVICES

from tollkeeper_server.doors.rest import examples
from tollkeeper_server.doors.rest.csv import CSV, FORMS, NEXT_PAGE, item_of
from tollkeeper_server.doors.rest.door import EVENTS, TOTAL
from tollkeeper_server.doors.rest.routes import HttpBinding, routes
from tollkeeper_server.doors.rest.schemas import Schema, Schemas
from tollkeeper_server.management.chain.chain import REQUEST_ID
from tollkeeper_server.management.chain.registry import policy_of

_ABOUT = (
    "The management plane of Tollkeeper. The same calls are there over gRPC and Connect. "
    "Lists answer a bare array; when there is more, the header x-next-page-token has what to send as "
    "page_token; with_total=true gives the length of the whole list in x-total-size. Errors are "
    "google.rpc.Status with google.rpc.ErrorInfo among their details."
)
_STATUS: Schema = {
    "type": "object",
    "description": "google.rpc.Status: what went wrong.",
    "required": ["code", "status", "message", "details"],
    "properties": {
        "code": {"type": "integer", "description": "The canonical code's number, such as 5."},
        "status": {"type": "string", "description": "The canonical code, such as NOT_FOUND."},
        "message": {"type": "string", "description": "Which field, why, and what to do."},
        "details": {
            "type": "array",
            "description": "google.rpc.ErrorInfo, RequestInfo, and where they apply BadRequest, RetryInfo.",
            "items": {"type": "object", "properties": {"@type": {"type": "string"}}},
        },
    },
}
_REQUEST_ID_HEADER: Schema = {
    "description": "The id of this call; a caller's own is kept if it is well-formed.",
    "schema": {"type": "string"},
}
_ETAG = "etag"
_AFTER, _LAST = "after_id", "last_id"


def descriptions() -> dict[str, str]:
    """Return what the comments of `proto/` say, by full name (`proto/generate.py` collects them)."""
    text = files("tollkeeper_server.doors.rest").joinpath("descriptions.json").read_text(encoding="utf-8")
    found: dict[str, str] = json.loads(text)
    return found


def make_document(version: str) -> Schema:
    """Return the description of every route."""
    comments = descriptions()
    schemas = Schemas(comments)
    paths: dict[str, dict[str, Schema]] = {}
    for route in routes():
        path = route.template.replace("=**", "")
        paths.setdefault(path, {})[route.verb.lower()] = _operation(route, schemas, comments)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tollkeeper management API", "version": version, "description": _ABOUT},
        "security": [{"management_token": []}],
        "tags": [
            {"name": service.name, "description": comments.get(service.full_name, "")} for service in SERVICES
        ],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {
                "management_token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The server's TOLLKEEPER_MANAGEMENT_TOKEN.",
                }
            },
            "schemas": {**dict(sorted(schemas.named.items())), "Status": _STATUS},
        },
    }


def _operation(route: HttpBinding, schemas: Schemas, comments: dict[str, str]) -> Schema:
    method = route.method
    about = comments.get(method.full_name, "")
    summary = about.partition(". ")[0].rstrip(".").removeprefix(f"{method.name} ")
    operation: Schema = {
        "operationId": route.operation,
        "tags": [method.containing_service.name],
        "summary": summary[:1].upper() + summary[1:],
        "description": about,
        "parameters": _parameters(route, schemas),
        "responses": {
            str(policy_of(method).success_status or 200): _success(route, schemas),
            "default": {
                "description": "It failed.",
                "headers": {REQUEST_ID: _REQUEST_ID_HEADER},
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Status"}}},
            },
        },
    }
    if route.body:
        schema = schemas.of_body(method.input_type, route.variables)
        operation["requestBody"] = {
            "required": bool(schema.get("required")),
            "content": {"application/json": {"schema": schema, "example": examples.BODIES[method.name]}},
        }
    return operation


def _parameters(route: HttpBinding, schemas: Schemas) -> list[Schema]:
    fields = route.method.input_type.fields_by_name
    method = route.method.name
    found = [_parameter(fields[name], "path", schemas, method) for name in route.variables]
    if not route.body:
        found += [
            _parameter(field, "query", schemas, method)
            for field in route.method.input_type.fields
            if field.name not in route.variables
        ]
    if item_of(route) is not None:
        found.append(
            {
                "name": "alt",
                "in": "query",
                "description": "The form of the answer. It goes before the header Accept; CSV is a download.",
                "schema": {"type": "string", "enum": [*FORMS]},
                "example": FORMS[1],
            }
        )
    if _ETAG in fields:
        found.append(
            {
                "name": "If-Match",
                "in": "header",
                "description": "The etag of what is to be changed; the same as the field etag.",
                "schema": {"type": "string"},
            }
        )
    if route.method.server_streaming and _AFTER in fields:
        found.append(
            {
                "name": "Last-Event-ID",
                "in": "header",
                "description": "What browsers send to go on: stands for after_id, and goes before it.",
                "schema": {"type": "string"},
            }
        )
    return found


def _parameter(field: FieldDescriptor, place: str, schemas: Schemas, method: str) -> Schema:
    schema = dict(schemas.of_field(field, nullable=False))
    description = schema.pop("description", "")
    parameter: Schema = {"name": field.name, "in": place, "description": description, "schema": schema}
    example = examples.parameter(method, field.name)
    if is_map(field):
        parameter |= {"style": "deepObject", "explode": True}
    if example is not None:
        parameter["example"] = example
    if place == "path":
        parameter["required"] = True
    return parameter


def _success(route: HttpBinding, schemas: Schemas) -> Schema:
    headers: dict[str, Schema] = {REQUEST_ID: _REQUEST_ID_HEADER}
    success: Schema = {"description": "It succeeded.", "headers": headers}
    if policy_of(route.method).success_status == 204:
        return success
    answer = route.method.output_type
    if not route.response_body:
        schema = schemas.of_message(answer)
        shown = answer
    else:
        field = answer.fields_by_name[route.response_body]
        schema = schemas.of_field(field, nullable=False)
        assert field.message_type is not None, "what is answered has fields"
        shown = field.message_type
        if "next_page_token" in answer.fields_by_name:
            headers[NEXT_PAGE] = {
                "description": "What to send as page_token for the next page; absent on the last.",
                "schema": {"type": "string"},
            }
        if "total_size" in answer.fields_by_name:
            headers[TOTAL] = {
                "description": "The length of the whole list, if with_total is true, counted up to 10000.",
                "schema": {"type": "integer"},
            }
    if _ETAG in shown.fields_by_name and "type" not in schema:
        headers[_ETAG] = {"description": "The etag, for If-Match.", "schema": {"type": "string"}}
    if route.method.server_streaming:
        id_of_event = "; its id is last_id" if _LAST in answer.fields_by_name else ""
        success["description"] = f"It goes on. The data of each event is one message{id_of_event}."
        success["content"] = {EVENTS: {"schema": schema}}
    else:
        success["content"] = {"application/json": {"schema": schema}}
        if item_of(route) is not None:
            success["content"][CSV] = {"schema": {"type": "string"}}
    return success
