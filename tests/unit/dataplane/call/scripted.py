"""Models served by upstreams whose answers a test lists, and callers that ask for them."""

import json
from typing import Any

from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.traffic import Strategy, TrafficPolicy
from tollkeeper_server.snapshot.model import Header, Route, Target

from tests.unit.dataplane.caller import Caller, Reply
from tests.unit.dataplane.configured import member_on, route, snapshot, target
from tests.unit.dataplane.gateway import Bench
from tests.unit.dataplane.upstream import Answer

FAILOVER = {"strategy": Strategy.FAILOVER}


def upstream(name: str, **fields: Any) -> Target:
    """Return the upstream of that name."""
    return target(name, base_url=f"http://{name}.test/v1", **fields)


def model(model: str, *names: str, policy: dict[str, Any] | None = None, **fields: Any) -> Route:
    """Return a model with a deployment on each of these upstreams."""
    members = [member_on(upstream(name), f"{model}-at-{name}") for name in names]
    return route(model, *members, policy=TrafficPolicy(**(policy or FAILOVER)), **fields)


def scene(*routes: Route, known: Token | None = None, **answers: list[Answer | BaseException]) -> Bench:
    """Return a gateway with these models; each upstream's answers come in their order."""
    bench = Bench(snapshot(*routes), known)
    bench.transport.answers = {f"{name}.test": script for name, script in answers.items()}
    return bench


def good(text: str = "fine") -> Answer:
    """Return an answer that has nothing wrong."""
    return Answer((json.dumps({"text": text}).encode(),))


def bad(status: int, body: bytes = b'{"error":"theirs"}', *headers: Header) -> Answer:
    """Return an answer with this status."""
    return Answer((body,), status, [(b"Content-Type", b"application/json"), *headers])


async def ask(bench: Bench, model: str = "m", **fields: Any) -> Reply:
    """Return the reply to a request for a model."""
    body = json.dumps({"model": model, **fields}).encode()
    return await Caller(body=body).call(bench.plane)
