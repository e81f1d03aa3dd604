"""REST over real sockets: the calls of the sofatutor document, and what goes wrong."""

import asyncio
from typing import Any

import httpx2
import pytest
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.usage import UsageEvent
from tollkeeper_server.doors.rest.routes import HttpBinding, routes

from tests.unit.management.plane import MANAGEMENT_TOKEN, NOON, Plane

KEY = "sk-canary-of-the-project-0123456789"


async def project_of(http: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    """Make a project."""
    answer = await http.post("/manage/projects", json={"name": "Search", **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def token_of(http: httpx2.AsyncClient, project_id: str, **fields: Any) -> dict[str, Any]:
    """Mint a token."""
    answer = await http.post("/manage/tokens", json={"project_id": project_id, **fields})
    assert answer.status_code == 200, answer.text
    minted: dict[str, Any] = answer.json()
    return minted


def refusal(answer: httpx2.Response, status: int, reason: str, field: str | None = None) -> dict[str, Any]:
    """Check that an answer is an error of that kind and returns it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    error: dict[str, Any] = answer.json()
    assert list(error) == ["code", "status", "message", "details"]
    details = {it["@type"].rpartition(".")[2]: it for it in error["details"]}
    assert (details["ErrorInfo"]["reason"], details["ErrorInfo"]["domain"]) == (reason, "tollkeeper")
    assert details["RequestInfo"]["request_id"] == answer.headers["x-request-id"]
    for it in details.get("BadRequest", {}).get("field_violations", ()):
        assert not it["field"] or f"{it['field']}: {it['description']}" in error["message"]
    if field is not None:
        assert field in [it["field"] for it in details["BadRequest"]["field_violations"]]
    return error


async def test_the_life_of_a_project_as_the_sofatutor_document_has_it(http: httpx2.AsyncClient) -> None:
    made = await project_of(http, openai_api_key=KEY)
    assert (made["name"], made["is_active"], made["api_key"]) == ("Search", True, "sk-canar...6789")
    assert made["deactivated_at"] is None
    listed = await http.get("/manage/projects")
    assert (listed.status_code, listed.json()) == (200, [made])
    assert (await http.get(f"/manage/projects/{made['id']}")).json() == made
    changed = await http.patch(f"/manage/projects/{made['id']}", json={"is_active": False})
    assert changed.status_code == 200
    assert changed.json()["is_active"] is False
    assert changed.json()["deactivated_at"] is not None
    deleted = await http.delete(f"/manage/projects/{made['id']}")
    refusal(deleted, 405, "method_not_allowed")
    assert deleted.headers["allow"] == "GET, PATCH"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("tokens", {"project_id": 5}, "project_id"),
        ("tokens", {"project_id": "prj_x", "max_requests": -1}, "max_requests"),
        ("listeners", {"name": "l", "address": "127.0.0.1:3001", "is_active": True}, "address"),
        ("listeners", {"name": "l", "address": "localhost"}, "address"),
        (
            "listeners",
            {"name": "l", "address": ":3001", "rules": [{"path": "x", "group": "g"}]},
            "rules[0].path",
        ),
        ("listeners", {"name": "l", "adress": ":3001"}, "adress"),
        ("listeners?address=:3001", {"name": "l"}, "address"),
    ],
    ids=str,
)
async def test_a_wrong_field_is_described_without_its_name_in_front(
    http: httpx2.AsyncClient, plane: Plane, path: str, body: dict[str, object], field: str
) -> None:
    plane.ports["127.0.0.1:3001"] = "127.0.0.1:3001 can't be listened on: it is in use"

    refusal(await http.post(f"/manage/{path}", json=body), 400, "invalid_argument", field)


async def test_the_life_of_a_token_as_the_sofatutor_document_has_it(http: httpx2.AsyncClient) -> None:
    project_id = (await project_of(http))["id"]
    minted = await token_of(http, project_id, duration_minutes=24, max_requests=5)
    assert {"id", "token", "expires_at", "max_requests"} <= set(minted)
    assert minted["token"].startswith("sk-tk-")
    assert minted["max_requests"] == 5
    listed = await http.get("/manage/tokens", params={"project_id": project_id, "active_only": "true"})
    (token,) = listed.json()
    assert token["id"] == minted["id"]
    assert minted["token"] not in listed.text
    assert (await http.get(f"/manage/tokens/{minted['id']}")).json() == token
    for _ in range(2):
        revoked = await http.delete(f"/manage/tokens/{minted['id']}")
        assert (revoked.status_code, revoked.content) == (204, b"")
    listed = await http.get(f"/manage/tokens?project_id={project_id}&active_only=true")
    assert (listed.status_code, listed.json()) == (200, [])


async def test_all_tokens_of_a_project_are_revoked_by_a_post_without_a_body(http: httpx2.AsyncClient) -> None:
    project_id = (await project_of(http))["id"]
    first = await token_of(http, project_id)
    await token_of(http, project_id)
    await http.delete(f"/manage/tokens/{first['id']}")
    answer = await http.post(f"/manage/projects/{project_id}/tokens/revoke")
    assert (answer.status_code, answer.json()) == (
        200,
        {"revoked_count": 1, "already_revoked_count": 1, "total_tokens": 2, "failed_count": 0},
    )


async def test_an_inactive_project_mints_nothing(http: httpx2.AsyncClient) -> None:
    project_id = (await project_of(http))["id"]
    await http.patch(f"/manage/projects/{project_id}", json={"is_active": False})
    answer = await http.post("/manage/tokens", json={"project_id": project_id})
    refusal(answer, 403, "project_inactive")


async def test_pages_are_bare_arrays_that_a_header_links(http: httpx2.AsyncClient) -> None:
    made = [(await project_of(http, name=f"p{number}"))["id"] for number in range(3)]
    first = await http.get("/manage/projects?page_size=2")
    assert [it["id"] for it in first.json()] == made[:2]
    token = first.headers["x-next-page-token"]
    second = await http.get("/manage/projects", params={"page_size": 2, "page_token": token})
    assert [it["id"] for it in second.json()] == made[2:]
    assert "x-next-page-token" not in second.headers


async def test_lists_are_filtered_and_counted_in_a_header(http: httpx2.AsyncClient) -> None:
    project_id = (await project_of(http, name="p", labels={"team": "a"}))["id"]
    for number in range(3):
        await token_of(http, project_id, name=f"t{number}", labels={"number": str(number)})

    async def names(**asked: str) -> list[str]:
        answer = await http.get("/manage/tokens", params=asked)
        return [it["name"] for it in answer.json()]

    assert await names(**{"labels[number]": "1"}) == ["t1"]
    assert await names(states="active,expiring", order_by="name desc", search="T") == ["t2", "t1", "t0"]
    counted = await http.get("/manage/tokens?page_size=1&with_total=true")
    assert (counted.headers["x-total-size"], len(counted.json())) == ("3", 1)
    assert "x-total-size" not in (await http.get("/manage/tokens")).headers
    (project,) = (await http.get("/manage/projects", params={"labels[team]": "a", "ids": project_id})).json()
    assert (project["labels"], project["last_used_at"]) == ({"team": "a"}, None)
    revoked = await http.post("/manage/tokens:revoke", json={"ids": ["tok_" + "0" * 26]})
    assert revoked.json()["failed"][0]["reason"] == "NOT_FOUND"


async def test_the_members_of_a_patch_are_what_it_changes(http: httpx2.AsyncClient) -> None:
    project_id = (await project_of(http))["id"]
    minted = await token_of(http, project_id, duration_minutes=5, max_requests=7, allowed_models=["a"])
    path = f"/manage/tokens/{minted['id']}"
    cleared = (await http.patch(path, json={"expires_at": None, "allowed_models": []})).json()
    assert (cleared["expires_at"], cleared["allowed_models"], cleared["max_requests"]) == (None, [], 7)
    same = (await http.patch(path, json={})).json()
    assert same == cleared
    # An explicit mask wins over the members.
    masked = await http.patch(path, json={"update_mask": "name", "name": "n", "max_requests": 1})
    assert (masked.json()["name"], masked.json()["max_requests"]) == ("n", 7)
    refusal(await http.patch(path, json={"is_active": None}), 400, "invalid_argument", "is_active")


async def test_an_etag_catches_a_concurrent_edit(http: httpx2.AsyncClient) -> None:
    made = await project_of(http)
    path = f"/manage/projects/{made['id']}"
    read = await http.get(path)
    etag = read.headers["etag"]
    assert etag == f'"{made["etag"]}"'
    changed = await http.patch(path, json={"name": "a"}, headers={"if-match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag
    for headers, body in (
        ({"if-match": etag}, {}),
        ({"if-match": etag.strip('"')}, {}),
        ({"if-match": f"W/{changed.headers['etag']}"}, {}),
        ({}, {"etag": made["etag"]}),
    ):
        late = await http.patch(path, json={"name": "b", **body}, headers=headers)
        refusal(late, 412, "etag_mismatch")
    assert (await http.get(path)).json()["name"] == "a"
    assert (await http.patch(path, json={"name": "c"}, headers={"if-match": "*"})).status_code == 200


async def test_a_condition_that_can_not_be_held_is_refused(http: httpx2.AsyncClient) -> None:
    project_id = (await project_of(http))["id"]
    minted = await token_of(http, project_id)
    answer = await http.delete(f"/manage/tokens/{minted['id']}", headers={"if-match": '"x"'})
    refusal(answer, 400, "invalid_argument", "if-match")
    both = await http.patch(f"/manage/projects/{project_id}", json={"etag": "a"}, headers={"if-match": '"b"'})
    refusal(both, 400, "invalid_argument", "if-match")


async def test_upstreams_and_models_from_end_to_end(http: httpx2.AsyncClient) -> None:
    upstream = await http.post(
        "/manage/upstreams",
        json={"name": "main", "provider": "openai", "api_key": KEY, "timeouts": {"idle": "30s"}},
    )
    assert upstream.status_code == 201
    assert upstream.json()["base_url"] == "https://api.openai.com/v1"
    assert (upstream.json()["api_key"], upstream.json()["timeouts"]["idle"]) == ("sk-canar...6789", "30s")
    model = await http.post(
        "/manage/models",
        json={
            "name": "meta/llama-3-70b",
            "deployments": [{"upstream": "main"}],
            "capabilities": ["chat_completions"],
        },
    )
    assert model.status_code == 201
    assert (await http.get("/manage/models/meta/llama-3-70b")).json() == model.json()
    assert (await http.get("/manage/models/meta%2Fllama-3-70b")).json() == model.json()
    in_use = await http.delete("/manage/upstreams/main")
    assert "meta/llama-3-70b" in refusal(in_use, 409, "in_use")["message"]
    stale = await http.delete("/manage/models/meta/llama-3-70b", params={"etag": "stale"})
    refusal(stale, 412, "etag_mismatch")
    assert (await http.delete("/manage/models/meta/llama-3-70b")).status_code == 204
    assert (await http.delete("/manage/upstreams/main")).status_code == 204
    refusal(await http.get("/manage/upstreams/main"), 404, "not_found")


async def test_usage_is_read_with_times_and_groups_in_the_query(
    http: httpx2.AsyncClient, plane: Plane
) -> None:
    event = UsageEvent(
        id="req_" + "0" * 26,
        request_id="r",
        project_id="p",
        token_id="t",
        endpoint="chat_completions",
        status=200,
        started_at=NOON,
    )
    await plane.store.usage.add([event])
    found = await http.get("/manage/usage/events", params={"start_time": "2026-03-04T12:00:00Z"})
    assert [(it["id"], it["confidence"]) for it in found.json()] == [(event.id, "none")]
    none = await http.get("/manage/usage/events", params={"end_time": "2026-03-04T12:00:00Z"})
    assert none.json() == []
    rows = await http.get("/manage/usage/summary?group_by=project,day&group_by=model")
    assert [(it["project_id"], it["requests"]) for it in rows.json()] == [("p", 1)]
    refusal(await http.get("/manage/usage/summary?group_by=colour"), 400, "invalid_argument", "group_by[0]")


@pytest.mark.parametrize("route", routes(), ids=lambda it: f"{it.verb} {it.template}")
async def test_every_route_refuses_a_stranger(console: str, route: HttpBinding) -> None:
    path = route.template.replace("{id}", "x").replace("{name}", "x").replace("{name=**}", "x/y")
    async with httpx2.AsyncClient(base_url=f"http://{console}", trust_env=False) as stranger:
        for headers in ({}, {"authorization": "Bearer nope"}, {"authorization": "Basic bm9wZQ=="}):
            # What is wrong with the body is not for strangers to know.
            answer = await stranger.request(route.verb, path, content=b"{not json", headers=headers)
            refusal(answer, 401, "invalid_api_key")
            assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_request_id_is_kept_if_it_is_well_formed(http: httpx2.AsyncClient) -> None:
    kept = await http.get("/manage/projects", headers={"x-request-id": "my-id:1"})
    assert kept.headers["x-request-id"] == "my-id:1"
    made = await http.get("/manage/projects", headers={"x-request-id": "not well-formed"})
    assert made.headers["x-request-id"].startswith("req_")
    refused = await http.get("/manage/nothing", headers={"x-request-id": "my-id:2"})
    assert refused.headers["x-request-id"] == "my-id:2"


@pytest.mark.parametrize(
    ("body", "headers", "status", "reason"),
    [
        (b"{", {"content-type": "application/json"}, 400, "invalid_json"),
        (b"[]", {"content-type": "application/json"}, 400, "invalid_argument"),
        (b"name=x", {"content-type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
        (b"{}", {"content-type": "text/plain"}, 415, "unsupported_media_type"),
        (b"{}", {"content-type": "application/json; charset=utf-16"}, 415, "unsupported_media_type"),
        (
            b"x",
            {"content-type": "application/json", "content-encoding": "gzip"},
            415,
            "unsupported_media_type",
        ),
        (b'{"nmae": "x"}', {"content-type": "application/json"}, 400, "invalid_argument"),
        (b'{"name": ""}', {"content-type": "application/json"}, 400, "invalid_argument"),
        (b"", {}, 400, "invalid_argument"),
        (b" " * (1024 * 1024 + 1), {"content-type": "application/json"}, 413, "request_too_large"),
    ],
    ids=lambda it: str(it)[:40],
)
async def test_a_bad_body_is_a_clear_error(
    http: httpx2.AsyncClient, plane: Plane, body: bytes, headers: dict[str, str], status: int, reason: str
) -> None:
    refusal(await http.post("/manage/projects", content=body, headers=headers), status, reason)
    assert await plane.store.configuration.list(Project, limit=1) == []


@pytest.mark.parametrize("media", ["application/json; charset=UTF-8", "Application/JSON"])
async def test_json_is_recognised_in_any_spelling(http: httpx2.AsyncClient, media: str) -> None:
    answer = await http.post("/manage/projects", content=b'{"name": "x"}', headers={"content-type": media})
    assert answer.status_code == 201


async def test_other_misuses_are_told_by_name(http: httpx2.AsyncClient) -> None:
    refusal(await http.get("/manage/projects?activ_only=true"), 400, "invalid_argument", "activ_only")
    refusal(await http.get("/manage/projects?page_size=x"), 400, "invalid_argument", "page_size")
    refusal(await http.get("/manage/projects?page_token=x"), 400, "invalid_argument", "page_token")
    refusal(await http.get("/manage/projects/prj_x"), 400, "invalid_argument", "id")
    refusal(await http.get("/manage/projects/%ff"), 400, "invalid_argument", "id")
    refusal(await http.get(f"/manage/projects/prj_{'0' * 26}"), 404, "not_found")
    refusal(await http.request("GET", "/manage/projects", content=b"{}"), 400, "invalid_argument")
    query = await http.post("/manage/projects?name=x", json={"name": "x"})
    refusal(query, 400, "invalid_argument", "name")
    made = await project_of(http)
    other = await http.patch(f"/manage/projects/{made['id']}", json={"id": "prj_" + "1" * 26})
    refusal(other, 400, "invalid_argument", "id")
    assert (await http.patch(f"/manage/projects/{made['id']}", json={"id": made["id"]})).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/manage/projects", "GET, POST"),
        ("POST", "/manage/tokens/x", "DELETE, GET, PATCH"),
        ("GET", "/manage/projects/x/tokens/revoke", "POST"),
        ("PROPFIND", "/manage/projects", None),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    http: httpx2.AsyncClient, method: str, path: str, allow: str | None
) -> None:
    answer = await http.request(method, path)
    refusal(answer, 405, "method_not_allowed")
    if allow is not None:
        assert answer.headers["allow"] == allow
        options = await http.options(path)
        assert (options.status_code, options.content, options.headers["allow"]) == (204, b"", allow)


@pytest.mark.parametrize("path", ["/manage/nothing", "/manage/projects/", "/manage//projects", "/manage"])
async def test_a_path_that_leads_nowhere_is_404(http: httpx2.AsyncClient, path: str) -> None:
    refusal(await http.get(path), 404, "not_found")


async def test_head_is_get_without_the_body(http: httpx2.AsyncClient) -> None:
    answer = await http.head("/manage/projects")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == "2"


async def test_a_store_that_is_away_is_503_and_worth_another_try(
    http: httpx2.AsyncClient, plane: Plane
) -> None:
    await plane.store.close()
    answer = await http.get("/manage/projects")
    refusal(answer, 503, "store_unavailable")
    assert answer.headers["retry-after"] == "1"


async def test_a_provider_key_is_never_shown(
    http: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    made = await project_of(http, openai_api_key=KEY)
    path = f"/manage/projects/{made['id']}"
    answers = [
        await http.get(path),
        await http.get("/manage/projects"),
        await http.patch(path, json={"api_key": KEY, "openai_api_key": f"{KEY}x"}),
        await http.patch(path, json={"api_key": KEY + " "}),
        await http.patch(path, json={"is_active": KEY}),
        await http.patch(path, json={"api_key": {KEY: KEY}}),
        await http.patch(path, json={"api_key": KEY}),
        await http.post("/manage/upstreams", json={"name": "u", "provider": KEY}),
        await http.post("/manage/upstreams", json={"name": "u", "provider": "azure", "api_key": KEY}),
        await http.post(
            "/manage/upstreams",
            json={"name": "u", "provider": "openai", "base_url": f"https://u:{KEY}@example.com"},
        ),
        await http.post("/manage/projects", content=b'{"name": "x", "api_key": "' + KEY.encode()),
    ]
    assert all(KEY not in answer.text and KEY not in str(answer.headers) for answer in answers)
    assert KEY not in caplog.text
    assert MANAGEMENT_TOKEN not in caplog.text


async def test_a_token_secret_is_shown_once(
    http: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    minted = await token_of(http, (await project_of(http))["id"])
    path = f"/manage/tokens/{minted['id']}"
    rotated = (await http.post(f"{path}/rotate")).json()
    assert rotated["token"] != minted["token"]
    seen = [(await http.get(path)).text, (await http.get("/manage/tokens")).text, caplog.text]
    seen.append((await http.patch(path, json={"name": "n"})).text)
    for secret in (minted["token"], rotated["token"]):
        assert all(secret not in text for text in seen)


async def test_concurrent_edits_without_an_etag_all_take_effect(http: httpx2.AsyncClient) -> None:
    made = await project_of(http)
    path = f"/manage/projects/{made['id']}"
    answers = await asyncio.gather(
        http.patch(path, json={"name": "renamed"}),
        http.patch(path, json={"is_active": False}),
        http.patch(path, json={"api_key": KEY}),
    )
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    project = (await http.get(path)).json()
    assert (project["name"], project["is_active"]) == ("renamed", False)
    assert project["api_key"] == "sk-canar...6789"
