"""For any request, what `explain` says is what the data plane does."""

import asyncio
import gzip
import json
from dataclasses import replace
from datetime import timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tollkeeper_server.dataplane.caller import LISTENER
from tollkeeper_server.dataplane.explain import Explainer
from tollkeeper_server.domain.explanation import Explanation, Query
from tollkeeper_server.domain.limit import Limit, Measure
from tollkeeper_server.domain.listener import MAIN, Rule
from tollkeeper_server.domain.model import Capability, Price
from tollkeeper_server.domain.period import Period
from tollkeeper_server.domain.token import Token
from tollkeeper_server.ledger.reservation import Pending
from tollkeeper_server.snapshot.meters import TokenMeters
from tollkeeper_server.snapshot.model import ListenerView, OwnPrice, ProjectView
from tollkeeper_server.snapshot.prices import short_price
from tollkeeper_server.snapshot.rules import compile_rules

from tests.unit.dataplane.caller import Caller
from tests.unit.dataplane.configured import (
    AZURE,
    NOW,
    SECRET,
    member_on,
    pool,
    route,
    snapshot,
    target,
    token,
)
from tests.unit.dataplane.gateway import Bench
from tests.unit.dataplane.upstream import Answer

LISTS = "http://lists.test/v1/models"
ONE = target("one", models_url=LISTS)
TENANT = ListenerView(
    name="tenant",
    address="127.0.0.1:3001",
    rules=compile_rules(
        [
            Rule(path="/api/items/{id:[0-9]+}", group="spare"),
            Rule(header="x-beta", group="spare"),
            Rule(path="/gone", group="gone"),
        ]
    ),
    default_group="",
    ip_limit=None,
    head_timeout=10,
)
CONFIGURED = snapshot(
    route(
        "gpt-4o",
        member_on(ONE, "gpt-4o"),
        member_on(AZURE, "mine"),
        own_price=OwnPrice(short_price(Price(prompt=9, completion=99))),
    ),
    route("whisper", member_on(ONE), capabilities=[Capability.AUDIO_TRANSCRIPTIONS]),
    route("asleep"),
    route("asleep-with-a-fallback", fallbacks=("whisper", "gpt-4o")),
    route("llama-*", member_on(ONE)),
    aliases={"default": "gpt-4o"},
    default=target("fallback"),
    listeners={"tenant": TENANT, "farm": replace(TENANT, name="farm", default_group="spare")},
    groups={"spare": pool(member_on(target("spare", models_url=LISTS)), name="spare")},
    targets={"one": ONE, "azure": AZURE},
)
USED = {"without requests": 1, "at pace": 1, "busy": 1}
"""What is used, or held, of the only limit of a token before the request."""


def _limit(measure: Measure, amount: int) -> Limit:
    return Limit(measure=measure, amount=amount, period=Period.DAY)


TOKENS = {
    "valid": token(),
    "limited": token(allowed_models=("gpt-4o",)),
    "inactive": token(is_active=False),
    "expired": token(expires_at=NOW - timedelta(days=1)),
    "used up": token(max_requests=3, request_count=3),
    "not used up": token(max_requests=3, request_count=2),
    "short of tokens": token(limits=(_limit(Measure.TOKENS, 200),)),
    "with tokens": token(limits=(_limit(Measure.TOKENS, 100_000),)),
    "short of money": token(limits=(_limit(Measure.MONEY, 10**6),)),
    "with money": token(limits=(_limit(Measure.MONEY, 10**12),)),
    "without requests": token(limits=(_limit(Measure.REQUESTS, 1),)),
    "at pace": token(limits=(Limit(measure=Measure.REQUEST_RATE, amount=1),)),
    "beyond pace": token(limits=(Limit(measure=Measure.TOKEN_RATE, amount=100),)),
    "busy": token(limits=(Limit(measure=Measure.CONCURRENT, amount=1),)),
}
PATHS = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/messages",
    "/v1/messages/batches",
    "/v1/messages/batches/file-abc123/cancel",
    "/v1/images/generations",
    "/v1/realtime/client_secrets",
    "/v1/evals",
    "/v1/models",
    "/v1/models/gpt-4o",
    "/v1/tollkeeper/limits",
    "/v1/models/unheard-of",
    "/v1/models/listed",
    "/v1/models/llama-listed",
    "/v1/files",
    "/v1/files/file-abc123",
    "/v1/files/file-def456",
    "/v1/files/file-others",
    "/v1/files/file-nobodys",
    "/v1/threads/file-def456/messages/file-others",
    "/v1/chat/completions/file-others",
    "/v1/batches",
    "/v1/audio/transcriptions",
    "/v1/moderations",
    "/v1/anything",
    "/v1/chat/completions?api-version=1",
    "/v1/chat/completions?a b",
    "/v1/chat/completions?model=whisper",
    "/v1/engines/whisper/chat/completions",
    "/openai/deployments/gpt-4o/chat/completions",
    "/openai/deployments/%0a/chat/completions",
    "/",
    "/health",
    "*",
    "/api/items/42",
    "/gone",
    "/elsewhere",
    "/v1/../x",
    "/v1/é",
]
HEADERS = [
    ("content-length", "5"),
    ("content-length", "99999999999"),
    ("content-length", "abc"),
    ("transfer-encoding", "gzip"),
    ("transfer-encoding", "gzip, Chunked"),
    ("transfer-encoding", "chunked"),
    ("content-type", "text/plain"),
    ("content-type", "application/json; charset=utf-8"),
    ("content-encoding", "gzip"),
    ("content-encoding", "identity"),
    ("content-encoding", "compress"),
    ("anthropic-version", "2023-06-01"),
    ("upgrade", "websocket"),
    ("expect", "100-continue"),
    ("expect", "a-miracle"),
    ("origin", "https://elsewhere.test"),
    ("access-control-request-method", "POST"),
    ("x-beta", "1"),
    ("x-broken", "a\nb"),
    ("x-large", "x" * 70_000),
]
queries = st.builds(
    Query,
    listener=st.sampled_from(["", "tenant", "farm"]),
    method=st.sampled_from(
        ["", "", "", "GET", "GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"]
    ),
    path=st.sampled_from(PATHS),
    model=st.sampled_from(
        ["", "gpt-4o", "default", "llama-2", "whisper", "asleep", "asleep-with-a-fallback", "nope", "m" * 300]
    ),
    token=st.sampled_from(["tok_1", "tok_1", SECRET.decode(), SECRET.decode(), "sk-unknown", ""]),
    headers=st.lists(st.sampled_from(HEADERS), max_size=2, unique_by=lambda header: header[0]).map(tuple),
    streamed=st.booleans(),
)


def _bench(known: Token, *, active: bool, default: bool, used: int = 0) -> Bench:
    project = ProjectView(id="prj_1", is_active=active, api_key=None)
    configured = replace(CONFIGURED, projects={"prj_1": project})
    bench = Bench(configured if default else replace(configured, default=None), known)
    bench.placements.upstreams = {"file-abc123": "inactive", "file-def456": "azure"}
    bench.placements.keep("file-others", "one", "prj_2")
    bench.admitted = known.request_count < known.max_requests
    bench.answers(b"{}")
    if used:
        meters = TokenMeters().of(known)
        assert isinstance(bench.ledger.reserve("before", meters, [used], bench.ledger_now), Pending)
    listed = b'{"data":[{"id":"listed"},{"id":"llama-listed"}]}'
    bench.transport.answers["lists.test"] = [Answer((listed,))]
    return bench


async def _explain(bench: Bench, known: Token, query: Query) -> Explanation:
    async def find(token_id: str) -> Token | None:
        return known if token_id == known.id else None

    explainer = Explainer(
        lambda: bench.snapshot,
        bench.authenticator,
        find,
        bench.affinity,
        bench.health,
        bench.balancer,
        bench.limits,
        bench.model_lists,
        bench.forecast,
    )
    return await explainer.explain(query)


def _naming(path: str, model: str) -> dict[str, object]:
    """Return the members of a body that name the model where the path's endpoint has it."""
    if not model:
        return {}
    match path:
        case "/v1/messages/batches":
            return {"requests": [{"params": {"model": model}}] * 2}
        case "/v1/realtime/client_secrets":
            return {"session": {"model": model}}
        case "/v1/evals":
            return {"testing_criteria": [{"type": "label_model", "model": model}]}
        case _:
            return {"model": model}


async def _refusal(bench: Bench, query: Query) -> tuple[str, int]:
    """Return why the data plane refuses the request, and the status; ("", 0) if an upstream answers it."""
    members = _naming(query.path, query.model) | ({"stream": True} if query.streamed else {})
    method = query.method or "POST"
    has_body = method in {"POST", "PUT", "PATCH"} or query.model
    body = json.dumps(members).encode() if has_body else b""
    if body and ("content-encoding", "gzip") in query.headers:
        body = gzip.compress(body)
    path, _, asked = (query.path or PATHS[0]).partition("?")
    caller = Caller(
        method,
        path,
        body,
        [(name.encode(), value.encode()) for name, value in query.headers],
        secret=(SECRET if query.token == "tok_1" else query.token.encode()) or None,
        query=asked.encode(),
        declare=not any(name == "transfer-encoding" for name, _ in query.headers),
    )
    caller.scope[LISTENER] = query.listener or MAIN
    reply = await caller.call(bench.plane)
    refused = next((str(error) for _, error, _ in dict(bench.metrics.errors.items())), "")
    return refused, reply.status if refused else 0


@settings(max_examples=300)
@given(queries, st.sampled_from(["valid", "valid", *TOKENS]), st.booleans(), st.booleans())
@example(Query(method="GET", path="/v1/models", token="tok_1"), "valid", True, True)
@example(Query(method="GET", path="/v1/models/listed", token="tok_1"), "valid", True, True)
@example(Query(method="GET", path="/v1/models/listed", token="tok_1", listener="farm"), "valid", True, True)
@example(Query(method="GET", path="/v1/files/file-abc123", token="tok_1"), "valid", True, True)
@example(Query(method="GET", path="/v1/files/file-others", token="tok_1"), "valid", True, True)
@example(Query(method="DELETE", path="/v1/files/file-nobodys", token="tok_1"), "valid", True, True)
@example(Query(method="TRACE", token="tok_1", model="gpt-4o"), "valid", True, True)
@example(
    Query(token="tok_1", model="gpt-4o", headers=(("content-length", "5"), ("transfer-encoding", "chunked"))),
    "valid",
    True,
    True,
)
@example(
    Query(method="GET", path="/v1/responses", token="tok_1", headers=(("upgrade", "websocket"),)),
    "valid",
    True,
    True,
)
@example(
    Query(
        path="/v1/moderations",
        token="tok_1",
        headers=(("content-type", "application/json"), ("content-type", "text/plain")),
    ),
    "valid",
    True,
    True,
)
@example(
    Query(
        method="OPTIONS",
        path="/v1/models",
        headers=(("origin", "https://elsewhere.test"), ("access-control-request-method", "GET")),
    ),
    "valid",
    True,
    True,
)
@example(Query(method="OPTIONS", path="/v1/models"), "valid", True, True)
@example(Query(method="POST", path="/health"), "valid", True, True)
@example(Query(token="tok_1", model="gpt-4o", headers=(("expect", "a-miracle"),)), "valid", True, True)
@example(Query(token="tok_1", model="gpt-4o"), "used up", True, True)
@example(Query(token="tok_1", model="gpt-4o"), "short of tokens", True, True)
@example(Query(token="tok_1", model="gpt-4o"), "with tokens", True, True)
@example(Query(token="tok_1", model="gpt-4o"), "short of money", True, True)
@example(Query(token="tok_1", model="gpt-4o"), "with money", True, True)
@example(Query(token="tok_1", model="whisper"), "with money", True, True)
@example(Query(token="tok_1", model="gpt-4o"), "without requests", True, True)
@example(Query(token="tok_1", model="gpt-4o"), "at pace", True, True)
@example(Query(token="tok_1", model="gpt-4o"), "beyond pace", True, True)
@example(Query(token="tok_1", model="gpt-4o"), "busy", True, True)
@example(Query(method="GET", path="/v1/tollkeeper/limits", token="tok_1"), "busy", True, True)
@example(Query(path="/v1/tollkeeper/limits", token="tok_1"), "valid", True, True)
@example(Query(path="/v1/messages/batches", token="tok_1", model="default"), "with tokens", True, True)
@example(Query(path="/v1/messages/batches", token="tok_1", model="default"), "limited", True, True)
@example(Query(path="/v1/evals", token="tok_1", model="whisper"), "limited", True, True)
@example(Query(path="/v1/responses", token="tok_1"), "limited", True, True)
@example(Query(path="/v1/responses", token="tok_1"), "valid", True, True)
@example(Query(path="/v1/responses", token="tok_1"), "valid", True, False)
@example(Query(token="tok_1", model="asleep-with-a-fallback"), "valid", True, True)
def test_explain_says_what_the_data_plane_does(query: Query, kind: str, active: bool, default: bool) -> None:
    known = TOKENS[kind]

    async def both() -> tuple[Explanation, tuple[str, int], list[str]]:
        used = USED.get(kind, 0)
        told = await _explain(_bench(known, active=active, default=default, used=used), known, query)
        bench = _bench(known, active=active, default=default, used=used)
        return told, await _refusal(bench, query), [event.upstream for event in bench.journal.settled]

    told, refusal, upstreams = asyncio.run(both())

    last = told.verdicts[-1]
    assert (told.admitted, (last.code, last.status)) == (not refusal[0], refusal)
    if told.members and told.admitted:
        assert upstreams == [member.upstream for member in told.members if member.is_chosen]
