"""The Connect protocol over real sockets, with both codecs and its own errors."""

import base64
import gzip
from typing import Any

import httpx2
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.rpc import error_details_pb2
from tollkeeper.v1 import project_service_pb2 as pb
from tollkeeper_server.management.chain.registry import methods

from tests.unit.management.plane import Plane

CREATE = "/tollkeeper.v1.ProjectService/CreateProject"
LIST = "/tollkeeper.v1.ProjectService/ListProjects"
GET = "/tollkeeper.v1.ProjectService/GetProject"
JSON = {"content-type": "application/json", "connect-protocol-version": "1"}
PROTO = {"content-type": "application/proto", "connect-protocol-version": "1"}
CANARY = "canary-0123456789"


def refusal(answer: httpx2.Response, status: int, code: str, reason: str) -> dict[str, Any]:
    """Check that an answer is an error of the protocol's form and returns it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    error: dict[str, Any] = answer.json()
    assert error["code"] == code
    details = {it["type"]: it for it in error["details"]}
    value = details["google.rpc.ErrorInfo"]["value"]
    info = error_details_pb2.ErrorInfo.FromString(base64.b64decode(value + "=" * (-len(value) % 4)))
    assert (info.reason, info.domain) == (reason, "tollkeeper")
    assert details["google.rpc.RequestInfo"]["debug"]["requestId"] == answer.headers["x-request-id"]
    for it in details.get("google.rpc.BadRequest", {"debug": {}})["debug"].get("fieldViolations", ()):
        assert not it.get("field") or f"{it['field']}: {it['description']}" in error["message"]
    return error


async def test_a_call_in_json_is_canonical(http: httpx2.AsyncClient) -> None:
    made = await http.post(
        CREATE, content='{"name": "x", "openaiApiKey": "sk-0123456789abcdef01234"}', headers=JSON
    )
    assert made.status_code == 200
    assert made.headers["content-type"] == "application/json"
    project = made.json()["project"]
    assert (project["name"], project["isActive"]) == ("x", True)
    assert "deactivatedAt" not in project
    listed = await http.post(LIST, content="{}", headers={"content-type": "application/json; charset=utf-8"})
    assert listed.json() == {"projects": [project]}


async def test_a_call_in_binary(http: httpx2.AsyncClient) -> None:
    request = pb.CreateProjectRequest(name="x")
    made = await http.post(CREATE, content=request.SerializeToString(), headers=PROTO)
    assert (made.status_code, made.headers["content-type"]) == (200, "application/proto")
    project = pb.CreateProjectResponse.FromString(made.content).project
    listed = await http.post(LIST, content=b"", headers=PROTO)
    assert list(pb.ListProjectsResponse.FromString(listed.content).projects) == [project]


@pytest.mark.parametrize("method", list(methods()), ids=lambda it: it.full_name)
@pytest.mark.parametrize("headers", [JSON, PROTO], ids=["json", "proto"])
async def test_every_method_is_there_and_refuses_strangers(
    console: str, method: MethodDescriptor, headers: dict[str, str]
) -> None:
    path = f"/{method.containing_service.full_name}/{method.name}"
    if method.server_streaming:
        headers = headers | {"content-type": headers["content-type"].replace("/", "/connect+")}
    async with httpx2.AsyncClient(base_url=f"http://{console}", trust_env=False) as stranger:
        answer = await stranger.post(path, content=b"\xff{not a message", headers=headers)
        refusal(answer, 401, "unauthenticated", "invalid_api_key")


@pytest.mark.parametrize(
    ("content", "headers", "reason"),
    [
        (b"{", JSON, "invalid_json"),
        (b"", JSON, "invalid_json"),
        (b"\xff", JSON, "invalid_json"),
        (b"[]", JSON, "invalid_argument"),
        (b'{"nmae": "x"}', JSON, "invalid_argument"),
        (b'{"name": 5}', JSON, "invalid_argument"),
        (b'{"name": "\\ud800"}', JSON, "invalid_argument"),
        (b'{"name": ""}', JSON, "invalid_argument"),
        (b'{"name": ' + b"[" * 100_000, JSON, "invalid_json"),
        (b"\xff\xff", PROTO, "invalid_argument"),
        (b"\x0a\x01\xff", PROTO, "invalid_argument"),
        (b"{}", {**JSON, "connect-protocol-version": "2"}, "invalid_argument"),
        (b"{}", {**JSON, "connect-timeout-ms": "soon"}, "invalid_argument"),
        (b"{}", {**JSON, "connect-timeout-ms": "-1"}, "invalid_argument"),
        (b"{}", {**JSON, "connect-timeout-ms": "12345678901"}, "invalid_argument"),
        (b"no gzip", {**JSON, "content-encoding": "gzip"}, "invalid_argument"),
        (gzip.compress(b"{}")[:-1], {**JSON, "content-encoding": "gzip"}, "invalid_argument"),
        (gzip.compress(b"{}") + b"x", {**JSON, "content-encoding": "gzip"}, "invalid_argument"),
    ],
    ids=lambda it: None if isinstance(it, bytes) else str(it)[:50],
)
async def test_a_bad_request_is_a_clear_error(
    http: httpx2.AsyncClient, content: bytes, headers: dict[str, str], reason: str
) -> None:
    refusal(await http.post(CREATE, content=content, headers=headers), 400, "invalid_argument", reason)


async def test_a_compressed_request_is_unpacked_within_bounds(http: httpx2.AsyncClient) -> None:
    headers = {**JSON, "content-encoding": "gzip"}
    made = await http.post(CREATE, content=gzip.compress(b'{"name": "x"}'), headers=headers)
    assert made.status_code == 200
    bomb = gzip.compress(b" " * (50 * 1024 * 1024))
    assert len(bomb) < 100_000
    refusal(
        await http.post(CREATE, content=bomb, headers=headers), 429, "resource_exhausted", "request_too_large"
    )
    other = await http.post(CREATE, content=b"x", headers={**JSON, "content-encoding": "br"})
    refusal(other, 501, "unimplemented", "unimplemented")


async def test_failures_have_the_status_that_the_protocol_gives_them(
    http: httpx2.AsyncClient, plane: Plane
) -> None:
    missing = await http.post(GET, json={"id": "prj_" + "0" * 26})
    refusal(missing, 404, "not_found", "not_found")
    project = await plane.project()
    stale = {"id": project.id, "name": "n", "etag": "stale"}
    path = "/tollkeeper.v1.ProjectService/UpdateProject"
    refusal(await http.post(path, json=stale), 409, "aborted", "etag_mismatch")
    late = await http.post(LIST, content="{}", headers={**JSON, "connect-timeout-ms": "0"})
    refusal(late, 504, "deadline_exceeded", "deadline_exceeded")
    unknown = await http.post("/tollkeeper.v1.ProjectService/Nothing", content="{}", headers=JSON)
    refusal(unknown, 501, "unimplemented", "unimplemented")
    await plane.store.close()
    away = await http.post(LIST, content="{}", headers=JSON)
    refusal(away, 503, "unavailable", "store_unavailable")
    assert away.headers["retry-after"] == "1"


async def test_other_methods_and_media_are_told_by_status(http: httpx2.AsyncClient) -> None:
    get = await http.get(LIST)
    assert (get.status_code, get.headers["allow"]) == (405, "OPTIONS, POST")
    options = await http.options(LIST)
    assert (options.status_code, options.headers["allow"]) == (204, "OPTIONS, POST")
    for media in ("text/plain", "application/grpc-web", "application/connect+json", ""):
        answer = await http.post(LIST, content=b"{}", headers={"content-type": media})
        assert answer.status_code == 415
        assert answer.headers["accept-post"] == "application/json, application/proto"


async def test_a_value_in_the_wrong_place_is_not_repeated(http: httpx2.AsyncClient) -> None:
    for path, body in (
        (CREATE, {"name": {CANARY: 1}}),
        ("/tollkeeper.v1.UpstreamService/CreateUpstream", {"name": "u", "provider": CANARY}),
        ("/tollkeeper.v1.ProjectService/UpdateProject", {"isActive": CANARY}),
        ("/tollkeeper.v1.TokenService/CreateToken", {"maxRequests": CANARY}),
        ("/tollkeeper.v1.TokenService/CreateToken", {"expiresAt": CANARY}),
    ):
        answer = await http.post(path, json=body)
        assert answer.status_code == 400
        assert CANARY not in answer.text
