"""Where a request goes: the provider's URL and credential, the deployment whose turn it is, or nowhere."""

import base64
from collections.abc import Iterator
from uuid import uuid4

import msgspec
import pytest
from tollkeeper import AuthScheme, Capability, Client, Deployment, Provider

from tests.integration.process import Gateway, Received, Simulator
from tests.integration.wire import Answer, Headers, Wire, ask, bearer, compose

JSON = ("content-type", "application/json")
CHAT = "/v1/chat/completions"
KEYS = {
    name: f"key-canary-of-{name}-5d41"
    for name in ("openai", "azure", "anthropic", "bearer", "basic", "header", "full")
}


def set_up(client: Client, simulator: Simulator) -> None:
    root = f"http://{simulator.address}"
    client.upstreams.create(
        name="openai",
        provider=Provider.OPENAI,
        base_url=f"{root}/v1",
        api_key=KEYS["openai"],
        organization="org-1",
        project="proj-1",
        is_default=True,
    )
    client.upstreams.create(
        name="azure", provider=Provider.AZURE, base_url=root, api_key=KEYS["azure"], api_version="2024-10-21"
    )
    client.upstreams.create(
        name="anthropic", provider=Provider.ANTHROPIC, base_url=f"{root}/v1", api_key=KEYS["anthropic"]
    )
    client.upstreams.create(
        name="bearer", provider=Provider.GENERIC, base_url=f"{root}/v1/", api_key=KEYS["bearer"]
    )
    client.upstreams.create(
        name="basic",
        provider=Provider.GENERIC,
        base_url=f"{root}/v1",
        auth_scheme=AuthScheme.BASIC,
        username="user",
        api_key=KEYS["basic"],
    )
    client.upstreams.create(
        name="header",
        provider=Provider.GENERIC,
        base_url=f"{root}/v1",
        auth_scheme=AuthScheme.HEADER,
        auth_header="X-Secret",
        api_key=KEYS["header"],
    )
    client.upstreams.create(name="none", provider=Provider.GENERIC, base_url=f"{root}/v1")
    client.upstreams.create(
        name="full",
        provider=Provider.GENERIC,
        full_url=f"{root}/v1/chat/completions",
        api_key=KEYS["full"],
    )
    for name in ("openai", "anthropic", "bearer", "basic", "header", "none", "full"):
        client.models.create(name=f"on-{name}", deployments=[Deployment(name)])
    client.models.create(name="on-azure", deployments=[Deployment("azure", "my-deployment")])
    client.models.create(
        name="triplet",
        aliases=["three"],
        deployments=[Deployment("openai", "one"), Deployment("bearer", "two"), Deployment("openai", "three")],
    )
    client.models.create(
        name="chat-only", capabilities=[Capability.CHAT_COMPLETIONS], deployments=[Deployment("openai")]
    )
    client.models.create(name="family-*", deployments=[Deployment("openai")])
    client.models.create(name="family-special", deployments=[Deployment("bearer")])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[Gateway]:
    """A gateway with an upstream of every kind, all of them the simulator."""
    with Gateway(tmp_path_factory.mktemp("routing")) as running:
        with running.management() as client:
            set_up(client, simulator)
        yield running


@pytest.fixture(scope="module")
def secret(site: Gateway) -> str:
    """The secret of an unlimited token."""
    return site.new_token()


def body_for(model: str, **members: object) -> bytes:
    return msgspec.json.encode({"model": model, "messages": [{"role": "user", "content": "hi"}], **members})


def post(
    site: Gateway, simulator: Simulator, secret: str, model: str, path: str = CHAT, headers: Headers = ()
) -> tuple[Answer, Received]:
    """Send a request, and returns its answer and what the simulator received of it."""
    this_id = f"test-{uuid4().hex}"
    sent = [bearer(secret), JSON, ("x-request-id", this_id), *headers]
    answer = ask(site.data, "POST", path, sent, body_for(model, max_tokens=5))
    (received,) = (it for it in simulator.requests() if it.header("x-request-id") == this_id)
    return answer, received


def model_in(received: Received) -> object:
    assert received.body is not None
    return msgspec.json.decode(received.body)["model"]


def test_openai(site: Gateway, simulator: Simulator, secret: str) -> None:
    impostor = [("openai-organization", "org-of-the-caller"), ("openai-project", "theirs")]
    answer, received = post(site, simulator, secret, "on-openai", headers=impostor)
    assert answer.status == 200
    assert received.path == "/v1/chat/completions"
    assert received.header("authorization") == f"Bearer {KEYS['openai']}"
    assert received.header("openai-organization") == "org-1"
    assert received.header("openai-project") == "proj-1"


@pytest.mark.parametrize("query", ["", "?api-version=1999-01-01", "?x=1"])
def test_azure(site: Gateway, simulator: Simulator, secret: str, query: str) -> None:
    answer, received = post(site, simulator, secret, "on-azure", CHAT + query)
    kept = "x=1&" if "x=1" in query else ""
    assert answer.status == 200
    assert received.path == f"/openai/deployments/my-deployment/chat/completions?{kept}api-version=2024-10-21"
    assert received.header("api-key") == KEYS["azure"]
    assert received.header("authorization") is None
    assert secret not in str(received)


@pytest.mark.parametrize(
    ("deployment", "path", "model"),
    [
        ("on-openai", "/v1/chat/completions", "on-openai"),
        (
            "on-azure",
            "/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21",
            "my-deployment",
        ),
    ],
)
def test_the_deployment_in_the_path_counts_and_not_the_bodys_model(
    site: Gateway, simulator: Simulator, secret: str, deployment: str, path: str, model: str
) -> None:
    asked = f"/openai/deployments/{deployment}/chat/completions?api-version=2023-05-15"
    answer, received = post(site, simulator, secret, "on-anthropic", asked)
    assert answer.status == 200
    assert answer.header("x-tollkeeper-model") == deployment
    assert (received.path, model_in(received)) == (path, model)


@pytest.mark.parametrize("version", [None, "2099-12-31"])
def test_anthropic(site: Gateway, simulator: Simulator, secret: str, version: str | None) -> None:
    own = [("anthropic-version", version)] if version else []
    answer, received = post(site, simulator, secret, "on-anthropic", "/v1/messages", own)
    assert answer.status == 200
    assert received.path == "/v1/messages"
    assert received.header("x-api-key") == KEYS["anthropic"]
    assert received.header("authorization") is None
    assert received.header("anthropic-version") == (version or "2023-06-01")


def test_a_generic_bearer(site: Gateway, simulator: Simulator, secret: str) -> None:
    answer, received = post(site, simulator, secret, "on-bearer")
    assert (answer.status, received.path) == (200, "/v1/chat/completions")
    assert received.header("authorization") == f"Bearer {KEYS['bearer']}"
    assert received.header("openai-organization") is None


def test_generic_basic_authentication(site: Gateway, simulator: Simulator, secret: str) -> None:
    answer, received = post(site, simulator, secret, "on-basic")
    pair = base64.b64encode(f"user:{KEYS['basic']}".encode()).decode()
    assert (answer.status, received.header("authorization")) == (200, f"Basic {pair}")


def test_a_generic_header_replaces_the_callers(site: Gateway, simulator: Simulator, secret: str) -> None:
    answer, received = post(site, simulator, secret, "on-header", headers=[("x-secret", "mine")])
    assert (answer.status, received.header("x-secret")) == (200, KEYS["header"])
    assert received.header("authorization") is None


def test_an_upstream_without_a_credential_gets_none(site: Gateway, simulator: Simulator, secret: str) -> None:
    answer, received = post(site, simulator, secret, "on-none")
    assert answer.status == 200
    assert {name for name, _ in received.headers}.isdisjoint({"authorization", "x-api-key", "api-key"})


@pytest.mark.parametrize("path", [CHAT, "/v1/completions?x=1"])
def test_a_full_url_is_used_whatever_the_path(
    site: Gateway, simulator: Simulator, secret: str, path: str
) -> None:
    answer, received = post(site, simulator, secret, "on-full", path)
    assert answer.status == 200
    assert received.path == "/v1/chat/completions" + ("?x=1" if "x=1" in path else "")


def test_a_projects_own_key_goes_to_openai_and_nobody_else(site: Gateway, simulator: Simulator) -> None:
    with site.management() as client:
        project = client.projects.create(name="own", openai_api_key="sk-own-canary-9e10")
        secret = client.tokens.create(project_id=project.id).token
    for model in ("on-openai", "on-azure", "on-bearer", "on-none"):
        answer, received = post(site, simulator, secret, model)
        assert answer.status == 200
        if model == "on-openai":
            assert received.header("authorization") == "Bearer sk-own-canary-9e10"
        assert ("sk-own-canary-9e10" in str(received)) is (model == "on-openai")
        assert KEYS["openai"] not in str(received)
    assert "sk-own-canary" not in site.command.said()


@pytest.mark.parametrize("name", ["triplet", "three"])
def test_deployments_take_turns(site: Gateway, simulator: Simulator, secret: str, name: str) -> None:
    seen = [model_in(post(site, simulator, secret, name)[1]) for _ in range(9)]
    assert sorted(map(str, seen)) == ["one"] * 3 + ["three"] * 3 + ["two"] * 3
    assert seen[:3] == seen[3:6] == seen[6:]


def test_a_deployment_that_is_switched_off_is_passed_over(
    site: Gateway, simulator: Simulator, secret: str
) -> None:
    with site.management() as client:
        client.upstreams.update("bearer", is_active=False)
        try:
            seen = {str(model_in(post(site, simulator, secret, "triplet")[1])) for _ in range(6)}
            gone = ask(site.data, "POST", CHAT, [bearer(secret), JSON], body_for("on-bearer"))
        finally:
            client.upstreams.update("bearer", is_active=True)
    assert seen == {"one", "three"}
    assert (gone.status, gone.error["code"], gone.error["param"]) == (503, "no_upstream_available", "model")
    assert gone.header("retry-after") is not None


def test_a_pattern_serves_what_no_model_is_named(site: Gateway, simulator: Simulator, secret: str) -> None:
    _, received = post(site, simulator, secret, "family-member")
    assert (model_in(received), received.header("openai-project")) == ("family-member", "proj-1")
    _, received = post(site, simulator, secret, "family-special")
    assert received.header("authorization") == f"Bearer {KEYS['bearer']}"


@pytest.mark.parametrize(
    ("path", "status"),
    [(CHAT, 200), ("/chat/completions", 200), ("/v1/embeddings", 405), ("/v1/images/generations", 405)],
)
def test_a_model_serves_the_endpoints_of_its_capabilities(
    site: Gateway, secret: str, path: str, status: int
) -> None:
    found = ask(site.data, "POST", path, [bearer(secret), JSON], body_for("chat-only"))
    assert found.status == status
    if status == 405:
        assert (found.error["code"], found.error["param"]) == ("endpoint_not_supported", "model")
        assert "chat_completions" in str(found.error["message"])


@pytest.mark.parametrize(
    ("allowed", "model", "status"),
    [
        (["triplet"], "triplet", 200),
        (["triplet"], "three", 200),
        (["three"], "three", 200),
        (["three"], "triplet", 403),
        (["family-*"], "family-x", 200),
        (["family-*"], "on-openai", 403),
        (["on-openai"], "family-x", 403),
        (["on-openai"], "unknown", 404),
    ],
)
def test_a_token_may_use_the_models_allowed_to_it(
    site: Gateway, allowed: list[str], model: str, status: int
) -> None:
    limited = site.new_token(allowed_models=allowed)
    found = ask(site.data, "POST", CHAT, [bearer(limited), JSON], body_for(model))
    assert found.status == status
    listed = ask(site.data, "GET", "/v1/models", [bearer(limited)]).json()["data"]
    names = {it["id"] for it in msgspec.convert(listed, list[dict[str, object]])}
    assert "on-openai" not in names or "on-openai" in allowed
    assert names <= {"triplet", "three", "on-openai", "family-special"}


@pytest.mark.parametrize(
    "name", ["no-such-model", "o9\u2014preview", "<script>", "a b", "../etc", "*", "m" * 256]
)
def test_a_model_that_does_not_exist(site: Gateway, simulator: Simulator, secret: str, name: str) -> None:
    simulator.clear()
    found = ask(site.data, "POST", CHAT, [bearer(secret), JSON], body_for(name))
    assert (found.status, found.error["code"], found.error["param"]) == (404, "model_not_found", "model")
    assert repr(name) in str(found.error["message"])
    assert simulator.requests() == []


def test_a_request_without_a_model_goes_to_the_default_and_nowhere_without_one(
    site: Gateway, simulator: Simulator, secret: str
) -> None:
    assert ask(site.data, "POST", "/v1/vector_stores", [bearer(secret), JSON], b"{}").status == 200
    assert simulator.last_request().header("authorization") == f"Bearer {KEYS['openai']}"
    with site.management() as client:
        client.upstreams.update("openai", is_default=False)
        try:
            found = ask(site.data, "POST", "/v1/vector_stores", [bearer(secret), JSON], b"{}")
        finally:
            client.upstreams.update("openai", is_default=True)
    assert (found.status, found.error["code"]) == (404, "not_found")
    assert "is_default" in str(found.error["message"])


@pytest.mark.parametrize(
    ("path", "model"), [(CHAT, "on-openai"), ("/v1/responses", "on-openai"), ("/v1/messages", "on-anthropic")]
)
def test_events_arrive_while_the_upstream_holds_back_the_rest(
    site: Gateway, simulator: Simulator, secret: str, path: str, model: str
) -> None:
    body = body_for(model, stream=True, max_tokens=100, input="hi")
    this_id = f"test-{uuid4().hex}"
    sent = [bearer(secret), JSON, ("x-simulate", "events=50,hang=4"), ("x-request-id", this_id)]
    with Wire(site.data) as wire:
        wire.send(compose("POST", path, sent, body))
        head = wire.head()
        seen = b""
        pieces = wire.body(head)
        while seen.count(b"\n\n") < 4:
            seen += next(pieces)
        assert head.header("content-length") is None
    assert simulator.cancelled(this_id).events == 4
