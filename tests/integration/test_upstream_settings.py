"""What an upstream's settings change in a call, from the configuration file to the wire."""

from collections.abc import Iterator

import msgspec
import pytest
from tollkeeper import Deployment, Provider
from tollkeeper.imports import import_llmproxy

from tests.integration.process import PATIENT, Gateway, until
from tests.integration.scripted import OK, ScriptedUpstream
from tests.integration.wire import Answer, ask, bearer
from tests.servers.ports import free_port

CHAT = "/v1/chat/completions"
JSON = ("content-type", "application/json")
BODY = b'{"model": "scripted", "messages": []}'
OTHER = b'{"model": "of-the-group", "messages": []}'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, listening: ScriptedUpstream) -> Iterator[Gateway]:
    """A gateway before that upstream."""
    with Gateway(tmp_path_factory.mktemp("settings"), share_kept="true") as running:
        with running.management() as client:
            client.upstreams.create(
                name="scripted",
                provider=Provider.GENERIC,
                base_url=f"http://{listening.address}/v1",
                breaker=PATIENT,
            )
            client.models.create(name="scripted", deployments=[Deployment("scripted")])
        yield running


@pytest.fixture(scope="module")
def secret(site: Gateway) -> str:
    """The secret of an unlimited token."""
    return site.new_token()


def call(site: Gateway, secret: str, *headers: tuple[str, str]) -> Answer:
    return ask(site.data, "POST", CHAT, [bearer(secret), JSON, *headers], BODY)


@pytest.mark.parametrize("name", ["X-Request-Id", "x-correlation-id"])
def test_an_upstream_gets_the_requests_id_where_it_looks_for_it(
    site: Gateway, upstream: ScriptedUpstream, secret: str, name: str
) -> None:
    with site.management() as client:
        client.upstreams.update("scripted", request_id_header=name)
    upstream.will_answer(OK)
    answered = call(site, secret, ("x-correlation-id", "guess")).header("x-request-id")

    assert answered is not None
    assert answered.startswith("req_")
    assert upstream.next_head().header(name.lower()) == answered


def test_named_headers_of_answers_reach_the_caller(
    site: Gateway, upstream: ScriptedUpstream, secret: str
) -> None:
    kept_back = b"HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nalt-svc: h3\r\nx-other: 1\r\n"
    with site.management() as client:
        client.upstreams.update("scripted", passed_headers=["Set-Cookie"])
    upstream.will_answer(kept_back + OK.partition(b"\r\n")[2])
    passed = call(site, secret).headers

    assert [value for name, value in passed if name == "set-cookie"] == ["a=1", "b=2"]
    assert ("x-other", "1") in passed
    assert "alt-svc" not in dict(passed)

    with site.management() as client:
        client.upstreams.update("scripted", passed_headers=[])
    upstream.will_answer(kept_back + OK.partition(b"\r\n")[2])
    assert "set-cookie" not in dict(call(site, secret).headers)


@pytest.mark.parametrize(
    ("base", "asked", "there"),
    [
        ("", "/v1/chat/completions", "/v1/chat/completions"),
        ("", "/files/a?b=c", "/files/a?b=c"),
        ("", "/v1/files/a", "/v1/files/a"),
        ("", "/api/chat", "/api/chat"),
        ("/llm", "/v1/embeddings", "/llm/v1/embeddings"),
        ("/v1", "/v1/chat/completions", "/v1/chat/completions"),
        ("/v1", "/chat/completions", "/v1/chat/completions"),
        ("/v1", "/files/a", "/v1/files/a"),
        ("/api/v3", "/v1/files/a", "/api/v3/files/a"),
    ],
)
def test_an_imported_url_gets_paths_as_llmproxy_sent_them(
    site: Gateway, upstream: ScriptedUpstream, secret: str, base: str, asked: str, there: str
) -> None:
    port = free_port()
    imported = import_llmproxy(
        f"""
        http_server: {{forwards: [{{name: in, port: {port}, address: 127.0.0.1, default_group: all}}]}}
        upstreams: [{{name: out, url: "http://{upstream.address}{base}"}}]
        upstream_groups: [{{name: all, upstreams: [{{name: out}}]}}]
        """,
        {},
    )
    with site.management() as client:
        client.configuration.apply(imported.configuration)
    upstream.will_answer(OK)

    answered = until(lambda: _reached(f"http://127.0.0.1:{port}", asked, secret))

    assert answered is not None
    assert answered.status == 200
    assert upstream.next_head().target == there


def _reached(url: str, path: str, secret: str) -> Answer | None:
    try:
        return ask(url, "POST", path, [bearer(secret), JSON], OTHER)
    except ConnectionRefusedError:  # a port is opened a moment after the change
        return None


def test_models_that_an_upstream_lists_are_listed_and_callable(
    site: Gateway, upstream: ScriptedUpstream, secret: str
) -> None:
    with site.management() as client:
        client.upstreams.create(
            name="open", provider=Provider.GENERIC, base_url=f"http://{upstream.address}/v1", list_models=True
        )
        client.models.create(name="open-*", deployments=[Deployment("open")])
    listed = b'{"data": [{"id": "open-a", "created": 7}, {"id": "open-b"}, {"id": "another"}]}'
    upstream.will_answer(OK.replace(b"length: 2", b"length: %d" % len(listed)).replace(b"{}", listed))

    found = msgspec.json.decode(ask(site.data, "GET", "/v1/models", [bearer(secret)]).body)
    only_b = ask(site.data, "GET", "/v1/models", [bearer(site.new_token(allowed_models=["open-b"]))]).body
    single = ask(site.data, "GET", "/v1/models/open-a", [bearer(secret)]).json()

    assert [it["id"] for it in found["data"]] == ["open-a", "open-b", "scripted"]
    assert [it["id"] for it in msgspec.json.decode(only_b)["data"]] == ["open-b"]
    assert (single["owned_by"], single["created"]) == ("open", 7)
    asked = upstream.next_head()
    assert (asked.line, asked.header("authorization")) == ("GET /v1/models HTTP/1.1", None)
    assert 'tollkeeper_model_lists_total{result="success",upstream="open"} 1.0' in _metrics(site)

    upstream.will_answer(OK)
    body = b'{"model": "open-a", "messages": []}'
    assert ask(site.data, "POST", CHAT, [bearer(secret), JSON], body).status == 200


def _metrics(site: Gateway) -> str:
    return ask(site.console, "GET", "/metrics").body.decode()
