"""What a token is allowed holds for models that a URL names, wherever an upstream may read them."""

import json

import pytest
from tollkeeper_server.dataplane.caller import LISTENER
from tollkeeper_server.snapshot.model import ListenerView
from tollkeeper_server.snapshot.rules import compile_rules

from tests.unit.dataplane.caller import Caller, Reply
from tests.unit.dataplane.configured import member_on, pool, route, snapshot, target, token
from tests.unit.dataplane.gateway import Bench

BODY = b'{"model":"small","messages":[]}'
ANY_PATH = ListenerView(
    name="any",
    address="127.0.0.1:3001",
    rules=compile_rules([]),
    default_group="g",
    ip_limit=None,
    head_timeout=10,
)
CONFIGURED = snapshot(
    route("small", member_on(target())),
    route("large", member_on(target())),
    aliases={"tiny": "small"},
    default=target("default"),
    listeners={"any": ANY_PATH},
    groups={"g": pool(member_on(target("group")), name="g")},
)


async def _ask(
    path: str, query: bytes = b"", *, method: str = "POST", allowed: tuple[str, ...] = ("small",)
) -> tuple[Bench, Reply]:
    bench = Bench(CONFIGURED, token(allowed_models=allowed))
    bench.answers(b"{}")
    caller = Caller(method, path, BODY if method == "POST" else b"", query=query)
    caller.scope[LISTENER] = "any"
    return bench, await caller.call(bench.plane)


@pytest.mark.parametrize(
    "query",
    [
        b"model=large",
        b"a=b&%6dodel=large",
        b"Model=l%61rge",
        b"model=small&model=large",
        b"a=b;model=large",
        b"deployment=large",
        b"model=unheard-of",
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/realtime", "/v1/anything"])
async def test_a_model_in_the_query_must_be_allowed(path: str, query: bytes) -> None:
    bench, reply = await _ask(path, query)

    assert (reply.status, bench.transport.requests) == (403, [])
    assert json.loads(reply.body)["error"]["param"] == "query"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/engines/large/chat/completions",
        "/engines/large/completions",
        "/v1/openai/deployments/large/chat/completions",
        "//openai/deployments/large/chat/completions",
        "/%6fpenai/deployments/large/chat/completions",
        "/OpenAI/Deployments/large/chat/completions",
        "/openai//deployments/large/chat/completions",
        "/openai/deployments//large/chat/completions",
        "/openai/deployments%2Flarge/chat/completions",
        "/openai/v1/deployments/large/chat/completions",
        "/openai/deployments/small/deployments/large/chat/completions",
        "/openai/deployments/small/large/chat/completions",
        "/v1/engines/small/large/chat/completions",
        "/v1/engines;x/large/chat/completions",
        "/v1/models/large:generateContent",
        "/v1beta/models/large:streamGenerateContent",
        "/v1/model/large/invoke",
    ],
)
async def test_a_model_in_the_path_must_be_allowed(path: str) -> None:
    bench, reply = await _ask(path)

    assert (reply.status, bench.transport.requests) == (403, [])
    assert json.loads(reply.body)["error"]["param"] == "path"


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/chat/completions", b"model=small&deployment=tiny&model="),
        ("/v1/engines/small/chat/completions", b""),
        ("/v1/engines/tiny/completions", b"x=model"),
        ("/openai/deployments/small/chat/completions", b"api-version=2024-10-21"),
        ("/v1/models", b""),
    ],
)
async def test_what_is_allowed_passes_there(path: str, query: bytes) -> None:
    _, reply = await _ask(path, query)

    assert reply.status == 200


async def test_a_filter_of_what_is_read_is_no_model_that_runs() -> None:
    _, reply = await _ask("/v1/chat/completions", b"model=large", method="GET")

    assert reply.status == 200


@pytest.mark.parametrize("path", ["/v1/engines/large/chat/completions", "/v1/chat/completions"])
async def test_an_unlimited_token_may_name_any_model_there(path: str) -> None:
    _, reply = await _ask(path, b"model=large", allowed=())

    assert reply.status == 200
