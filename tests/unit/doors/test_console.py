"""The console: what operators ask, the API's description, and one form of error everywhere."""

import asyncio
import json

import httpx2
import pytest
from tollkeeper_server.doors.console import make_console
from tollkeeper_server.doors.ops import ABSENT

from tests.unit.doors.doors import Readiness, exposition
from tests.unit.management.plane import MANAGEMENT_TOKEN, Plane


async def test_health_says_that_the_process_is_alive_and_which_version(http: httpx2.AsyncClient) -> None:
    answer = await http.get("/health")
    assert answer.status_code == 200
    content = answer.json()
    assert (list(content), content["version"]) == (["status", "timestamp", "version"], "1.2.3")
    assert content["timestamp"].endswith("Z")
    assert (await http.get("/live")).status_code == 200


async def test_ready_says_what_stands_in_the_way(http: httpx2.AsyncClient, readiness: Readiness) -> None:
    answer = await http.get("/ready")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "checks": {"store": "ok"}})
    readiness.problems["redis"] = "Redis is not reachable"
    answer = await http.get("/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    assert answer.json()["checks"] == {"store": "ok", "redis": "Redis is not reachable"}


async def test_ready_says_none_of_a_part_that_is_not_configured(
    http: httpx2.AsyncClient, readiness: Readiness
) -> None:
    readiness.problems["redis"] = ABSENT
    answer = await http.get("/ready")
    assert (answer.status_code, answer.json()["checks"]["redis"]) == (200, "none")


@pytest.mark.parametrize("part", ["snapshot", "draining"])
async def test_ready_keeps_traffic_away_when_it_could_not_be_served(
    http: httpx2.AsyncClient, readiness: Readiness, part: str
) -> None:
    readiness.problems[part] = "it is so"
    answer = await http.get("/ready")
    assert (answer.status_code, answer.json()["status"]) == (503, "not ready")
    assert answer.json()["checks"] == {"store": "ok", part: "it is so"}


async def test_nobody_needs_a_token_to_ask_how_the_server_is(console: str) -> None:
    async with httpx2.AsyncClient(base_url=f"http://{console}", trust_env=False) as stranger:
        for path in ("/health", "/live", "/ready", "/metrics", "/openapi.json", "/docs"):
            assert (await stranger.get(path)).status_code == 200


@pytest.mark.parametrize("path", ["/nothing", "/docs/", "/docs/LICENSE", "/docs/..%2f__init__.py"])
async def test_an_unknown_path_is_a_404_in_json(http: httpx2.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert (answer.status_code, answer.json()["status"]) == (404, "NOT_FOUND")
    assert answer.headers["x-request-id"].startswith("req_")


async def test_a_wrong_method_is_a_405_in_json(http: httpx2.AsyncClient) -> None:
    answer = await http.post("/health")
    assert (answer.status_code, answer.json()["code"]) == (405, 12)
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("path", ["/", "/health", "/live", "/ready", "/metrics", "/openapi.json", "/docs"])
async def test_head_is_get_without_the_body_and_options_tells_the_methods(
    http: httpx2.AsyncClient, path: str
) -> None:
    got, head, options = await http.get(path), await http.head(path), await http.options(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS")


async def test_the_first_page_leads_to_the_others(http: httpx2.AsyncClient) -> None:
    answer = await http.get("/")
    assert (answer.status_code, answer.headers["location"]) == (302, "/admin/")
    page = answer.json()
    assert page["name"] == "Tollkeeper"
    for name in ("docs", "openapi", "health"):
        assert (await http.get(page[name])).status_code == 200


@pytest.mark.parametrize("path", ["/health", "/manage/projects", "/nothing", "/openapi.json", "/docs"])
async def test_every_answer_keeps_browsers_out_of_trouble(http: httpx2.AsyncClient, path: str) -> None:
    headers = (await http.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"].replace("style-src 'self' 'unsafe-inline'", "")


async def test_the_docs_page_and_every_file_it_names_are_there(http: httpx2.AsyncClient) -> None:
    page = await http.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js", "favicon-32x32.png"):
        assert name in page.text
        found = await http.get(f"/docs/{name}")
        assert found.status_code == 200
        assert found.content
    assert "/openapi.json" in (await http.get("/docs/start.js")).text


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/manage/projects", MANAGEMENT_TOKEN, 413),
        ("/manage/projects", "another", 401),
        ("/tollkeeper.v1.ProjectService/CreateProject", MANAGEMENT_TOKEN, 429),  # as Connect wants it
        ("/tollkeeper.v1.ProjectService/CreateProject", "another", 401),
    ],
)
@pytest.mark.parametrize("waits", [True, False])
async def test_a_body_that_is_not_wanted_is_refused_before_it_came(
    console: str, path: str, token: str, status: int, waits: bool
) -> None:
    host, _, port = console.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    expectation = "expect: 100-continue\r\n" if waits else ""
    writer.write(
        f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{expectation}"
        f"authorization: Bearer {token}\r\ncontent-length: 10485760\r\n\r\n".encode()
        + (b"" if waits else b"{")
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    writer.close()
    await writer.wait_closed()


async def test_a_fault_is_told_as_an_id_that_the_log_explains(
    plane: Plane, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken() -> dict[str, str | None]:
        raise RuntimeError("canary-of-the-fault")

    client = make_console(plane.chain(), plane.sessions, broken, exposition(), "1.2.3").test_client()
    answer = await client.get("/ready")
    text = await answer.get_data(as_text=True)
    assert answer.status_code == 500
    assert "canary-of-the-fault" not in text
    error_id = json.loads(text)["message"].split()[2].rstrip(";")
    assert f"internal error {error_id}" in caplog.text
    assert "canary-of-the-fault" in caplog.text
