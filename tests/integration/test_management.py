"""The management plane of a running gateway: one state behind gRPC, REST and Connect, in force at once."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import grpc
import msgspec
import pytest
import tollkeeper
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status
from tollkeeper import AsyncClient, Client, Deployment, Expiry, Provider
from tollkeeper.v1 import (
    configuration_service_pb2,
    gateway_service_pb2,
    group_service_pb2,
    limit_service_pb2,
    listener_service_pb2,
    model_service_pb2,
    price_service_pb2,
    project_service_pb2,
    session_service_pb2,
    status_service_pb2,
    token_service_pb2,
    upstream_service_pb2,
    usage_service_pb2,
)

from tests.integration.curl import curl, pasted
from tests.integration.process import MANAGEMENT_TOKEN, Gateway, Simulator, clean_environment
from tests.integration.wire import Answer, Headers, ask, bearer

JSON = ("content-type", "application/json")
ADMIN = bearer(MANAGEMENT_TOKEN)
FILES = (
    configuration_service_pb2,
    gateway_service_pb2,
    group_service_pb2,
    limit_service_pb2,
    listener_service_pb2,
    model_service_pb2,
    price_service_pb2,
    project_service_pb2,
    session_service_pb2,
    status_service_pb2,
    token_service_pb2,
    upstream_service_pb2,
    usage_service_pb2,
)
DESCRIBED = [it for file in FILES for it in file.DESCRIPTOR.services_by_name.values()]
SERVICES = {it.full_name for it in DESCRIBED}
METHODS = [method.name for it in DESCRIBED for method in it.methods]
CHAT = b'{"model":"gpt-4","messages":[{"role":"user","content":"Hello"}]}'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[Gateway]:
    """A gateway whose configuration the tests may change."""
    with Gateway(tmp_path_factory.mktemp("management")) as running:
        running.serve_models(simulator)
        yield running


@pytest.fixture
def client(site: Gateway) -> Iterator[Client]:
    """A client of its management plane."""
    with site.management() as connected:
        yield connected


def rest(site: Gateway, method: str, path: str, content: object = None, headers: Headers = ()) -> Answer:
    """Send a request to the REST door."""
    body = None if content is None else msgspec.json.encode(content)
    return ask(site.console, method, f"/manage/{path}", [ADMIN, JSON, *headers], body)


def grpc_failure(site: Gateway, method: str, metadata: tuple[tuple[str, str], ...]) -> grpc.RpcError:
    """Make a call with an empty request, which fails, and returns how."""
    with grpc.insecure_channel(site.grpc) as channel:
        call = channel.unary_unary(
            f"/tollkeeper.v1.{method}", request_serializer=as_is, response_deserializer=as_is
        )
        with pytest.raises(grpc.RpcError) as failed:
            call(b"", metadata=metadata, timeout=10)
    return failed.value


def as_is(data: bytes) -> bytes:
    return data


def passes(site: Gateway, token: str) -> int:
    """Return the status that a request of the token is answered with."""
    return ask(site.data, "POST", "/v1/chat/completions", [bearer(token), JSON], CHAT).status


# The curl lines of the sofatutor document


class Shell:
    """Runs curl lines as they are printed, but for the port and what stands in angle brackets."""

    def __init__(self, site: Gateway) -> None:
        self._console = site.console
        self._environment = clean_environment(MANAGEMENT_TOKEN=MANAGEMENT_TOKEN)

    def run(self, line: str, **values: str) -> tuple[int, bytes]:
        """Return the status and body that curl got."""
        line = line.replace("http://localhost:8080", self._console)
        for name, value in values.items():
            line = line.replace(f"<{name.replace('_', '-')}>", value)
        assert "<" not in line
        answer = curl(pasted(line, self._environment))
        return answer.status, answer.body


@pytest.fixture
def shell(site: Gateway) -> Shell:
    return Shell(site)


CREATE_PROJECT = """\
curl -X POST http://localhost:8080/manage/projects \\
-H "Authorization: Bearer $MANAGEMENT_TOKEN" \\
-H "Content-Type: application/json" \\
-d '{"name": "My Project", "openai_api_key": "sk-..."}'"""
DEACTIVATE_PROJECT = """\
curl -X PATCH http://localhost:8080/manage/projects/<project-id> \\
-H "Authorization: Bearer $MANAGEMENT_TOKEN" \\
-H "Content-Type: application/json" \\
-d '{"is_active": false}'"""
REVOKE_ALL = """\
curl -X POST http://localhost:8080/manage/projects/<project-id>/tokens/revoke \\
-H "Authorization: Bearer $MANAGEMENT_TOKEN\""""
REVOKE_ALL_AGAIN = """\
curl -X POST -H "Authorization: Bearer $MANAGEMENT_TOKEN" \\
"http://localhost:8080/manage/projects/<project-id>/tokens/revoke\""""
REVOKE = """\
curl -X DELETE http://localhost:8080/manage/tokens/<token-id> \\
-H "Authorization: Bearer $MANAGEMENT_TOKEN\""""
LIST_TOKENS = """\
curl -H "Authorization: Bearer $MANAGEMENT_TOKEN" \\
"http://localhost:8080/manage/tokens?project_id=<project-id>&active_only=true\""""
GET_TOKEN = """\
curl -H "Authorization: Bearer $MANAGEMENT_TOKEN" \\
"http://localhost:8080/manage/tokens/<token-id>\""""
CALL = """\
curl -H "Authorization: Bearer <withering-token>" \\
-H "Content-Type: application/json" \\
-d '{"model":"gpt-4","messages":[{"role":"user","content":"Hello"}]}' \\
http://localhost:8080/v1/chat/completions"""


def test_the_curl_lines_of_the_sofatutor_document_work_as_printed(
    site: Gateway, shell: Shell, simulator: Simulator
) -> None:
    status, body = shell.run(CREATE_PROJECT)
    project = msgspec.json.decode(body, type=dict[str, object])
    assert (status, project["name"], project["is_active"]) == (201, "My Project", True)
    project_id = str(project["id"])
    minted = rest(
        site, "POST", "tokens", {"project_id": project_id, "duration_minutes": 24, "max_requests": 9}
    )
    assert minted.status == 200
    token, token_id = str(minted.json()["token"]), str(minted.json()["id"])

    status, body = shell.run(CALL, withering_token=token)
    assert (status, msgspec.json.decode(body)["object"]) == (200, "chat.completion")
    assert simulator.last_request().header("authorization") == "Bearer sk-..."

    status, body = shell.run(LIST_TOKENS, project_id=project_id)
    (listed,) = msgspec.json.decode(body, type=list[dict[str, object]])
    assert (status, listed["id"], listed["is_active"], listed["max_requests"]) == (200, token_id, True, 9)
    status, body = shell.run(GET_TOKEN, token_id=token_id)
    assert (status, msgspec.json.decode(body)["project_id"]) == (200, project_id)
    assert token.encode() not in body

    assert shell.run(REVOKE, token_id=token_id) == (204, b"")
    assert shell.run(CALL, withering_token=token)[0] == 401
    assert shell.run(REVOKE, token_id=token_id) == (204, b"")
    assert shell.run(LIST_TOKENS, project_id=project_id) == (200, b"[]")

    for line, revoked, before in ((REVOKE_ALL, 0, 1), (REVOKE_ALL_AGAIN, 1, 1)):
        status, body = shell.run(line, project_id=project_id)
        assert (status, msgspec.json.decode(body)) == (
            200,
            {
                "revoked_count": revoked,
                "already_revoked_count": before,
                "total_tokens": revoked + before,
                "failed_count": 0,
            },
        )
        token = str(rest(site, "POST", "tokens", {"project_id": project_id}).json()["token"])

    status, body = shell.run(DEACTIVATE_PROJECT, project_id=project_id)
    assert (status, msgspec.json.decode(body)["is_active"]) == (200, False)
    assert shell.run(CALL, withering_token=token)[0] == 403
    assert rest(site, "POST", "tokens", {"project_id": project_id}).status == 403

    destroyed = rest(site, "DELETE", f"projects/{project_id}")
    assert (destroyed.status, destroyed.header("allow")) == (405, "GET, PATCH")


# Three doors, one state


def test_what_one_door_changes_the_others_show(site: Gateway, client: Client) -> None:
    made = rest(site, "POST", "projects", {"name": "by REST"}).json()
    shown = client.projects.get(str(made["id"]))
    assert (shown.name, shown.etag) == ("by REST", made["etag"])
    client.projects.update(shown.id, name="by gRPC", etag=shown.etag)
    asked = ("--json", f'{{"id": "{shown.id}"}}', "-H", f"Authorization: Bearer {MANAGEMENT_TOKEN}")
    listed = curl([*asked, f"{site.console}/tollkeeper.v1.ProjectService/GetProject"])
    assert msgspec.json.decode(listed.body)["project"]["name"] == "by gRPC"
    stale = rest(site, "PATCH", f"projects/{shown.id}", {"name": "late"}, [("if-match", f'"{shown.etag}"')])
    assert stale.status == 412


def test_connect_speaks_binary_to_curl(site: Gateway, client: Client, tmp_path: Path) -> None:
    project = client.projects.create(name="in binary")
    request = tmp_path / "request.bin"
    request.write_bytes(project_service_pb2.GetProjectRequest(id=project.id).SerializeToString())
    answer = curl(
        [
            *("--data-binary", f"@{request}", "-H", f"Authorization: Bearer {MANAGEMENT_TOKEN}"),
            *("-H", "Content-Type: application/proto", "-H", "Connect-Protocol-Version: 1"),
            f"{site.console}/tollkeeper.v1.ProjectService/GetProject",
        ]
    )
    assert (answer.status, answer.content_type) == (200, "application/proto")
    found = project_service_pb2.GetProjectResponse.FromString(answer.body)
    assert (found.project.name, found.project.etag) == ("in binary", project.etag)


def test_a_broken_rule_is_told_alike_at_every_door(site: Gateway) -> None:
    refused = rest(site, "POST", "projects", {"name": ""})
    said = refused.json()
    assert (refused.status, said["status"]) == (400, "INVALID_ARGUMENT")
    assert "name" in str(said["message"])
    failed = grpc_failure(site, "ProjectService/CreateProject", (ADMIN, ("x-request-id", "mine-1")))
    assert (failed.code(), failed.details()) == (grpc.StatusCode.INVALID_ARGUMENT, said["message"])
    assert ("x-request-id", "mine-1") in [(it.key, str(it.value)) for it in failed.trailing_metadata()]
    status = rpc_status.from_call(cast("grpc.Call", failed))  # which it is, but for its types
    assert status is not None
    bad = error_details_pb2.BadRequest()
    assert any(detail.Unpack(bad) for detail in status.details)
    assert [it.field for it in bad.field_violations] == ["name"]
    connect = ask(site.console, "POST", "/tollkeeper.v1.ProjectService/CreateProject", [ADMIN, JSON], b"{}")
    assert (connect.status, connect.json()["code"]) == (400, "invalid_argument")
    assert connect.json()["message"] == said["message"]


@pytest.mark.parametrize(
    "presented", [[], [bearer("wrong")], [("authorization", f"Basic {MANAGEMENT_TOKEN}")]]
)
def test_a_stranger_is_refused_at_every_door(
    site: Gateway, client: Client, presented: list[tuple[str, str]]
) -> None:
    token = site.new_token()  # a data-plane token is no management token either
    for headers in (presented, [bearer(token)]):
        assert ask(site.console, "GET", "/manage/projects", headers).status == 401
        path = "/tollkeeper.v1.ProjectService/ListProjects"
        assert ask(site.console, "POST", path, [*headers, JSON], b"{}").status == 401
        failed = grpc_failure(site, "ProjectService/ListProjects", tuple(headers))
        assert failed.code() is grpc.StatusCode.UNAUTHENTICATED


def test_grpc_tells_its_health_and_describes_itself(site: Gateway) -> None:
    with grpc.insecure_channel(site.grpc) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        for service in ("", *SERVICES):
            answer = check(health_pb2.HealthCheckRequest(service=service), timeout=10)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        described = ProtoReflectionDescriptorDatabase(channel)
        assert set(described.get_services()) >= SERVICES
        file = described.FindFileContainingSymbol("tollkeeper.v1.ProjectService")
        (service_found,) = file.service
        assert {it.name for it in service_found.method} >= {"CreateProject", "UpdateProject"}


async def test_the_asynchronous_client(site: Gateway) -> None:
    async with AsyncClient(site.grpc, management_token=MANAGEMENT_TOKEN) as client:
        project = await client.projects.create(name="asynchronous")
        minted = [await client.tokens.create(project_id=project.id, name=str(n)) for n in range(3)]
        listed = [token.name async for token in client.tokens.list(project_id=project.id, page_size=2)]
        assert listed == ["0", "1", "2"]
        assert (await client.projects.revoke_tokens(project.id)).revoked_count == 3
    assert {passes(site, it.token) for it in minted} == {401}


# Edits


def test_pages_hold_everything_once_and_in_order(site: Gateway, client: Client) -> None:
    project = client.projects.create(name="paged").id
    made = [client.tokens.create(project_id=project).id for _ in range(7)]
    assert [it.id for it in client.tokens.list(project_id=project, page_size=3)] == made
    seen: list[object] = []
    page_token: str | None = ""
    while page_token is not None:
        page = rest(site, "GET", f"tokens?project_id={project}&page_size=3&page_token={page_token}")
        seen += [it["id"] for it in msgspec.json.decode(page.body, type=list[dict[str, object]])]
        page_token = page.header("x-next-page-token")
    assert seen == made


def test_only_the_named_fields_change(site: Gateway, client: Client) -> None:
    project = client.projects.create(name="masked").id
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    token = client.tokens.create(
        project_id=project, name="one", expires_at=until, max_requests=5, allowed_models=["gpt-4o"]
    )
    renamed = client.tokens.update(token.id, name="two")
    assert (renamed.name, renamed.expires_at, renamed.max_requests) == ("two", until, 5)
    assert renamed.allowed_models == ("gpt-4o",)
    patched = rest(site, "PATCH", f"tokens/{token.id}", {"max_requests": 0, "allowed_models": []}).json()
    assert (patched["name"], patched["max_requests"], patched["allowed_models"]) == ("two", 0, [])
    assert client.tokens.update(token.id, expires_at=Expiry.NEVER).expires_at is None
    with pytest.raises(tollkeeper.InvalidArgument) as unknown:
        client.tokens.update("tok_no-such")
    assert unknown.value.violations[0].field == "id"
    assert rest(site, "PATCH", f"tokens/{token.id}", {"update_mask": "secret"}).status == 400


def test_of_concurrent_edits_with_one_etag_one_takes_effect(site: Gateway, client: Client) -> None:
    project = client.projects.create(name="contested")

    def edit(number: int) -> bool:
        try:
            client.projects.update(project.id, name=f"edit {number}", etag=project.etag)
        except tollkeeper.Aborted:
            return False
        return True

    with ThreadPoolExecutor(16) as threads:
        assert sum(threads.map(edit, range(16))) == 1


def test_what_does_not_exist_is_not_found(site: Gateway, client: Client) -> None:
    missing = "prj_" + "0" * 26
    with pytest.raises(tollkeeper.NotFound):
        client.projects.get(missing)
    with pytest.raises(tollkeeper.NotFound):
        client.tokens.create(project_id=missing)
    for method, path in (("GET", f"projects/{missing}"), ("GET", "models/none"), ("GET", "nothing")):
        assert rest(site, method, path).status == 404


def test_an_upstream_in_use_stays(client: Client) -> None:
    with pytest.raises(tollkeeper.FailedPrecondition, match="claude"):
        client.upstreams.delete("sim-anthropic")


# What is changed is in force with the next request


def test_a_token_withers_at_once(site: Gateway, client: Client) -> None:
    minted = site.mint()
    assert passes(site, minted.token) == 200
    client.tokens.revoke(minted.id)
    assert passes(site, minted.token) == 401
    client.tokens.update(minted.id, is_active=True)
    assert passes(site, minted.token) == 200
    client.tokens.update(minted.id, allowed_models=["other"])
    assert passes(site, minted.token) == 403
    client.tokens.update(minted.id, allowed_models=[])
    fresh = client.tokens.rotate(minted.id).token
    assert (passes(site, minted.token), passes(site, fresh)) == (401, 200)
    assert client.projects.revoke_tokens(minted.project_id).revoked_count == 1
    assert passes(site, fresh) == 401


def test_an_inactive_project_neither_mints_nor_passes(site: Gateway, client: Client) -> None:
    minted = site.mint()
    client.projects.update(minted.project_id, is_active=False)
    assert passes(site, minted.token) == 403
    with pytest.raises(tollkeeper.PermissionDenied) as refused:
        client.tokens.create(project_id=minted.project_id)
    assert refused.value.reason == "project_inactive"
    client.projects.update(minted.project_id, is_active=True)
    assert passes(site, minted.token) == 200
    client.projects.update(minted.project_id, is_active=False, revoke_tokens=True)
    client.projects.update(minted.project_id, is_active=True)
    assert passes(site, minted.token) == 401


def test_a_model_comes_moves_and_goes(site: Gateway, client: Client, simulator: Simulator) -> None:
    token = site.new_token()
    body = b'{"model": "moving", "messages": [{"role": "user", "content": "hi"}]}'

    def ask_moving() -> Answer:
        return ask(site.data, "POST", "/v1/chat/completions", [bearer(token), JSON], body)

    client.models.create(name="moving", deployments=[Deployment("sim", "first")])
    assert (ask_moving().status, '"first"' in str(simulator.last_request().body)) == (200, True)
    client.models.update("moving", deployments=[Deployment("sim", "second")])
    assert (ask_moving().status, '"second"' in str(simulator.last_request().body)) == (200, True)
    client.models.update("moving", is_active=False)
    client.models.delete("moving")
    ask_moving()  # the pattern `*` takes it
    assert '"moving"' in str(simulator.last_request().body)


def test_no_door_and_no_log_shows_a_secret(site: Gateway, client: Client) -> None:
    canaries = {name: f"sk-canary-{name}-4b7e0d15a9c3" for name in ("upstream", "project", "patched")}
    client.upstreams.create(name="secretive", provider=Provider.OPENAI, api_key=canaries["upstream"])
    made = rest(site, "POST", "projects", {"name": "p", "openai_api_key": canaries["project"]})
    project = str(made.json()["id"])
    patched = rest(site, "PATCH", f"projects/{project}", {"api_key": canaries["patched"]})
    minted = rest(site, "POST", "tokens", {"project_id": project})
    secret = str(minted.json()["token"])
    passes(site, secret)
    said = [made, patched]
    said += [rest(site, "GET", path) for path in ("upstreams", "upstreams/secretive", "projects", "tokens")]
    said += [rest(site, "GET", f"tokens/{minted.json()['id']}"), rest(site, "GET", "usage/events")]
    said.append(rest(site, "POST", "projects", {"name": "p", "openai_api_key": f"{canaries['project']}\n"}))
    for service, method in (
        ("Upstream", "ListUpstreams"),
        ("Project", "ListProjects"),
        ("Token", "ListTokens"),
    ):
        said.append(
            ask(site.console, "POST", f"/tollkeeper.v1.{service}Service/{method}", [ADMIN, JSON], b"{}")
        )
    shown = "".join(it.body.decode() for it in said) + repr(list(client.upstreams.list()))
    shown += repr(list(client.projects.list())) + repr(list(client.tokens.list())) + site.command.said()
    for canary in (*canaries.values(), secret, MANAGEMENT_TOKEN):
        assert canary not in shown
    stored = b"".join(file.read_bytes() for file in (site.directory / "data").rglob("*") if file.is_file())
    for canary in (*canaries.values(), secret, MANAGEMENT_TOKEN):
        assert canary.encode() not in stored


# The description


def references(content: object) -> Iterator[str]:
    if isinstance(content, dict):
        if isinstance(content.get("$ref"), str):
            yield content["$ref"]
        for value in content.values():
            yield from references(value)
    elif isinstance(content, list):
        for value in content:
            yield from references(value)


def test_the_description_is_whole_and_what_it_describes_is_there(site: Gateway) -> None:
    answer = ask(site.console, "GET", "/openapi.json")
    assert (answer.status, answer.header("content-type")) == (200, "application/json")
    document = msgspec.json.decode(answer.body)
    assert document["openapi"].startswith("3.")
    assert document["info"].keys() >= {"title", "version"}
    for reference in references(document):
        found = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
    names: list[str] = []
    for path, operations in document["paths"].items():
        for verb, operation in operations.items():
            names.append(operation["operationId"])
            assert operation["responses"]
            held = {it["name"] for it in operation.get("parameters", ()) if it["in"] == "path"}
            assert held == set(re.findall(r"\{(\w+)\}", path))
            # Every operation exists: a stranger is refused rather than lost.
            where = re.sub(r"\{\w+\}", "x", path)
            assert ask(site.console, verb.upper(), where, [JSON], b"{}").status == 401
    # A method that has a second path is there twice, the second time with its last word.
    assert sorted(name for name in names if "_" not in name) == sorted(METHODS)
    assert {name.partition("_")[0] for name in names} == set(METHODS)
    assert all(document["components"]["securitySchemes"][name] for it in document["security"] for name in it)


def test_the_documentation_loads(site: Gateway) -> None:
    page = ask(site.console, "GET", "/docs")
    assert (page.status, page.header("content-type")) == (200, "text/html; charset=utf-8")
    files = re.findall(rb'(?:src|href)="(/[^"]+)"', page.body)
    assert len(files) >= 3
    for file in files:
        loaded = ask(site.console, "GET", file.decode())
        assert loaded.status == 200
        assert loaded.body
    assert b"/openapi.json" in ask(site.console, "GET", "/docs/start.js").body


@pytest.mark.parametrize("path", ["/health", "/live", "/ready"])
def test_operators_need_no_token(site: Gateway, path: str) -> None:
    answer = ask(site.console, "GET", path)
    assert (answer.status, answer.json()["status"]) == (200, "ready" if path == "/ready" else "ok")
