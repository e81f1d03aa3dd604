"""What the gateway answers by itself: its pages, OPTIONS, and browsers that ask for leave."""

import json
from dataclasses import replace

import pytest
from tollkeeper_server.dataplane.caller import LISTENER
from tollkeeper_server.domain.listener import Rule
from tollkeeper_server.snapshot.model import Header, ListenerView
from tollkeeper_server.snapshot.rules import compile_rules

from tests.unit.dataplane.caller import Caller, Reply
from tests.unit.dataplane.configured import SECRET, member_on, pool, snapshot, target
from tests.unit.dataplane.gateway import Bench

METHODS = b"DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
OF_LISTS = b"GET, HEAD, OPTIONS, POST"
PREFLIGHT: list[Header] = [
    (b"origin", b"https://elsewhere.test"),
    (b"access-control-request-method", b"POST"),
    (b"access-control-request-headers", b"authorization,content-type"),
]
TENANT = ListenerView(
    name="tenant",
    address="127.0.0.1:3001",
    rules=compile_rules([Rule(path="/health", group="spare")]),
    default_group="",
    ip_limit=None,
    head_timeout=10,
)
NO_RULES = replace(TENANT, rules=compile_rules([]))


async def _ask(bench: Bench, method: str, path: str, *headers: Header, listener: str = "main") -> Reply:
    caller = Caller(method, path, headers=headers, secret=None, json=False)
    caller.scope[LISTENER] = listener
    reply = await caller.call(bench.plane)
    assert reply.ended
    return reply


def _nobody_asked(bench: Bench) -> bool:
    return not bench.transport.requests and not bench.journal.settled


@pytest.mark.parametrize("path", ["/", "/health"])
async def test_a_page_needs_no_token(path: str) -> None:
    bench = Bench()
    page, head = await _ask(bench, "GET", path), await _ask(bench, "HEAD", path)

    assert (page.status, page.headers[b"content-type"]) == (200, b"application/json")
    assert (head.status, head.body) == (200, b"")
    assert head.headers[b"content-length"] == page.headers[b"content-length"]
    assert _nobody_asked(bench)


async def test_health_says_that_the_process_is_alive() -> None:
    content = json.loads((await _ask(Bench(), "GET", "/health")).body)
    assert (content["status"], [*content]) == ("ok", ["status", "timestamp", "version"])


async def test_the_first_page_says_what_this_is_and_where_to_go() -> None:
    page = json.loads((await _ask(Bench(), "GET", "/")).body)
    assert (page["name"], page["base_url"], page["models"]) == ("Tollkeeper", "/v1", "/v1/models")
    assert "sk-tk-" in page["about"]
    assert "/docs" in page["console"]


@pytest.mark.parametrize("path", ["/", "/health"])
async def test_a_page_can_only_be_read(path: str) -> None:
    reply = await _ask(Bench(), "POST", path)

    assert (reply.status, reply.headers[b"allow"]) == (405, b"GET, HEAD, OPTIONS")
    assert json.loads(reply.body)["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    ("listener", "path", "status"),
    [
        ("plain", "/", 200),
        ("plain", "/health", 200),
        ("group", "/", 401),  # the group's, which wants a token
        ("group", "/health", 200),
        ("tenant", "/", 200),
        ("tenant", "/health", 401),  # a rule sends it to a group
    ],
)
async def test_every_listener_has_the_pages_that_nothing_else_claims(
    listener: str, path: str, status: int
) -> None:
    views = {
        "plain": NO_RULES,
        "group": replace(NO_RULES, default_group="spare"),
        "tenant": TENANT,
    }
    groups = {"spare": pool(member_on(target("spare")), name="spare")}
    bench = Bench(snapshot(listeners=views, groups=groups))

    assert (await _ask(bench, "GET", path, listener=listener)).status == status


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/v1/chat/completions", OF_LISTS),
        ("/v1/files", OF_LISTS),
        ("/v1/files/file-1", METHODS),
        ("/v1/embeddings", METHODS),
        ("/v1/models", METHODS),
        ("/v1/anything", METHODS),
        ("/openai/deployments/gpt-4o/chat/completions", OF_LISTS),
        ("/health", b"GET, HEAD, OPTIONS"),
        ("*", METHODS),
    ],
)
async def test_options_tells_the_methods_and_needs_no_token(path: str, allow: bytes) -> None:
    bench = Bench()
    reply = await _ask(bench, "OPTIONS", path)

    assert (reply.status, reply.body, reply.headers[b"allow"]) == (204, b"", allow)
    assert not {b"content-length", b"content-type"} & reply.headers.keys()
    assert _nobody_asked(bench)


@pytest.mark.parametrize("shares_kept", [False, True])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/files", "/v1/embeddings", "/health"])
async def test_every_405_tells_what_options_tells(path: str, shares_kept: bool) -> None:
    bench = Bench(shares_kept=shares_kept)
    allow = (await _ask(bench, "OPTIONS", path)).headers[b"allow"]
    for method in ("TRACE", "DELETE", "PUT", "PATCH"):
        reply = await Caller(method, path, body=b'{"model":"gpt-4o"}').call(bench.plane)
        assert (reply.status == 405) == (method.encode() not in allow.split(b", "))
        assert reply.status != 405 or reply.headers[b"allow"] == allow


async def test_options_of_nothing_is_404() -> None:
    assert (await _ask(Bench(), "OPTIONS", "/nothing")).status == 404


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models", "/health"])
async def test_a_preflight_is_refused_with_a_reason_for_the_developer(path: str) -> None:
    bench = Bench()
    reply = await _ask(bench, "OPTIONS", path, *PREFLIGHT)

    assert (reply.status, reply.headers[b"content-type"]) == (403, b"application/json")
    error = json.loads(reply.body)["error"]
    assert error["code"] == "cross_origin_refused"
    assert "browsers" in error["message"]
    assert not [name for name in reply.headers if name.startswith(b"access-control-")]
    assert _nobody_asked(bench)


async def test_options_with_an_origin_alone_is_no_preflight() -> None:
    assert (await _ask(Bench(), "OPTIONS", "/v1/models", PREFLIGHT[0])).status == 204


@pytest.mark.parametrize(
    "expected",
    [
        [b"a-miracle"],
        [b"100-continue, a-miracle"],
        [b"100-continue", b"a-miracle"],
        [b"a-miracle", b"100-continue"],
    ],
)
@pytest.mark.parametrize("secret", [SECRET, None])
async def test_an_expectation_that_can_not_be_met_is_417(expected: list[bytes], secret: bytes | None) -> None:
    headers = [(b"expect", value) for value in expected]
    caller = Caller(body=b'{"model":"gpt-4o"}', headers=headers, secret=secret)
    bench = Bench()
    reply = await caller.call(bench.plane)

    assert (reply.status, reply.headers[b"connection"]) == (417, b"close")
    assert json.loads(reply.body)["error"]["code"] == "expectation_failed"
    assert _nobody_asked(bench)


@pytest.mark.parametrize(
    "expected",
    [[b""], [b"100-Continue"], [b"100-continue, 100-continue"], [b"100-continue", b"100-continue"]],
)
async def test_an_expectation_that_is_said_twice_is_met(expected: list[bytes]) -> None:
    headers = [(b"expect", value) for value in expected]
    bench = Bench()
    assert (await Caller(body=b'{"model":"gpt-4o"}', headers=headers).call(bench.plane)).status == 200
