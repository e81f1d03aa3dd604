"""Every example of `/openapi.json` is one that the API accepts."""

from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import pytest

from tests.integration.process import MANAGEMENT_TOKEN, Gateway, Simulator
from tests.integration.wire import Answer, ask, bearer
from tests.servers.ports import free_port

JSON = ("content-type", "application/json")
# What goes first, so that what an example refers to is there, and what goes last, so that nothing uses it.
KINDS = ("Upstream", "Group", "Model", "Listener", "Project", "Token")
FIRST = [f"Create{kind}" for kind in KINDS]
LAST = [f"Delete{kind}" for kind in reversed(KINDS)]
# These need what another call has answered: a page's token, an etag, where a stream ended.
ANSWERED = {"page_token", "etag", "If-Match", "Last-Event-ID"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """An empty gateway, in which the examples are the whole configuration."""
    with Gateway(tmp_path_factory.mktemp("examples")) as running:
        yield running


def operations(gateway: Gateway) -> list[tuple[str, str, dict[str, Any]]]:
    """Return the method, path and description of each operation: creations first, deletions last."""
    paths: dict[str, dict[str, dict[str, Any]]]
    paths = msgspec.json.decode(ask(gateway.console, "GET", "/openapi.json").body)["paths"]
    found = [(verb.upper(), path, it) for path, verbs in paths.items() for verb, it in verbs.items()]

    def place(operation: tuple[str, str, dict[str, Any]]) -> int:
        name = operation[2]["operationId"]
        if name in FIRST:
            return FIRST.index(name) - len(FIRST)
        return LAST.index(name) + 1 if name in LAST else 0

    return sorted(found, key=place)


def send(gateway: Gateway, simulator: Simulator, verb: str, path: str, operation: dict[str, Any]) -> Answer:
    """Send an operation's examples, all at once."""
    query: list[tuple[str, object]] = []
    for parameter in operation["parameters"]:
        if parameter["name"] in ANSWERED:
            continue
        value = parameter["example"]
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", quote(value, safe=""))
        elif parameter.get("style") == "deepObject":
            query += [(f"{parameter['name']}[{name}]", it) for name, it in value.items()]
        else:
            values = value if isinstance(value, list) else [value]
            query += [(parameter["name"], str(it).lower() if isinstance(it, bool) else it) for it in values]
    target = f"{path}?{urlencode(query)}" if query else path
    body = None
    if "requestBody" in operation:
        example = operation["requestBody"]["content"]["application/json"]["example"]
        if "address" in example:  # the port of the example may be another's on this machine
            example["address"] = f"127.0.0.1:{free_port()}"
        if "provider" in example:  # other examples have it called, and no test calls a provider
            example["base_url"] = f"http://{simulator.address}/v1"
        body = msgspec.json.encode(example)
    answered = operation["responses"].get("200", {})
    if "text/event-stream" in answered.get("content", {}):
        return beginning(gateway, target)
    return ask(gateway.console, verb, target, [bearer(MANAGEMENT_TOKEN), JSON], body)


def beginning(gateway: Gateway, target: str) -> Answer:
    """Ask for a stream, which may have no end, and return the head of the answer, or an error whole."""
    connection = HTTPConnection(gateway.console.partition("://")[2], timeout=30)
    try:
        connection.request("GET", target, headers=dict([bearer(MANAGEMENT_TOKEN)]))
        answer = connection.getresponse()
        body = answer.read() if answer.status >= 300 else b""
        return Answer(answer.status, answer.getheaders(), body)
    finally:
        connection.close()


def test_every_example_is_accepted_or_lacks_only_what_it_names(
    gateway: Gateway, simulator: Simulator
) -> None:
    refused = {}
    for verb, path, operation in operations(gateway):
        answer = send(gateway, simulator, verb, path, operation)
        # The ids are the gateway's choice, so that no example can name a project or token that is there.
        if answer.status >= 300 and (answer.status, answer.json()["status"]) != (404, "NOT_FOUND"):
            refused[operation["operationId"]] = (answer.status, answer.json()["message"])
    assert not refused, refused
