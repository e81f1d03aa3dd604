"""Exchanges, and plans of them, without a data plane."""

from collections.abc import Sequence
from typing import Any

from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.plan import Plan
from tollkeeper_server.dataplane.request.authenticate import Identity
from tollkeeper_server.dataplane.request.endpoint import match
from tollkeeper_server.dataplane.request.limits import Limits
from tollkeeper_server.dataplane.request.peek import NO_PEEK, Peek
from tollkeeper_server.dataplane.route import Destination
from tollkeeper_server.domain.token import Token
from tollkeeper_server.snapshot.model import Header, Snapshot

from tests.unit.dataplane.configured import pool, snapshot, token


async def _nothing() -> dict[str, Any]:
    raise AssertionError("nothing is to be received")


async def _nowhere(message: Any) -> None:
    raise AssertionError("nothing is to be sent")


def exchange(
    path: str = "/v1/chat/completions",
    method: str = "POST",
    headers: Sequence[Header] = (),
    *,
    query: bytes = b"",
    configuration: Snapshot | None = None,
    http_version: str = "1.1",
    limits: Limits = Limits(),  # noqa: B008 - it is frozen
) -> Exchange:
    """Return an exchange whose endpoint and caller are known."""
    scope = {
        "type": "http",
        "http_version": http_version,
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": list(headers),
    }
    made = Exchange(scope, _nothing, _nowhere, configuration or snapshot(), limits)
    made.endpoint = match(path.encode(), method).endpoint
    made.token_id, made.project_id = "tok_1", "prj_1"
    return made


def planned(
    path: str = "/v1/chat/completions",
    peek: Peek = NO_PEEK,
    body: bytes = b"",
    *,
    query: bytes = b"",
    configuration: Snapshot | None = None,
    known: Token | None = None,
) -> tuple[Exchange, Plan]:
    """Return the exchange of a POST, and a plan of it that leads nowhere."""
    made = exchange(path, query=query, configuration=configuration)
    identity = Identity(known or token(), made.snapshot.projects["prj_1"])
    plan = Plan(match(path.encode(), "POST"), identity, peek, body, Destination(pool()), remembers=False)
    return made, plan
