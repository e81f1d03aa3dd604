"""The plan of a request: the steps it passes up to its admission, in their order.

The data plane serves by the plan; `explain` makes the same plan with an observer, and sends nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from urllib.parse import unquote

from msgspec import Struct, structs

from tollkeeper_server.dataplane.affinity import Affinity
from tollkeeper_server.dataplane.aside import LARGE
from tollkeeper_server.dataplane.background import Awaited
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.headers import (
    check_expectation,
    check_framing,
    check_headers,
    check_repeated,
    check_upgrade,
)
from tollkeeper_server.dataplane.reply.listing import get_model, list_models, listing_targets
from tollkeeper_server.dataplane.reply.own import OwnAnswer, method_not_allowed, own_answer
from tollkeeper_server.dataplane.request.authenticate import Identity
from tollkeeper_server.dataplane.request.body import arrived_body, read_body, refuse_declared
from tollkeeper_server.dataplane.request.coding import decode_request
from tollkeeper_server.dataplane.request.endpoint import MODELS, RESPONSES_END, Body, Matched, check_query
from tollkeeper_server.dataplane.request.named import Named, find_named
from tollkeeper_server.dataplane.request.peek import NO_PEEK, Peek, is_read, media_type, peek_body
from tollkeeper_server.dataplane.route import Destination, enter, find_destination, pin
from tollkeeper_server.dataplane.route_named import find_named_destination
from tollkeeper_server.dataplane.route_url import check_url
from tollkeeper_server.domain.explanation import Step
from tollkeeper_server.domain.listener import IpLimit
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.usage import Admission
from tollkeeper_server.errors import ADMINISTRATOR_SECONDS, Reason, TollkeeperError
from tollkeeper_server.providers.dialects.openai import RESPONSES_AGAIN
from tollkeeper_server.providers.model_list import ModelTimes
from tollkeeper_server.snapshot.model import ProjectView, Target

# An upstream answers TRACE with the request it got (RFC 9110, 9.3.8), our credential included.
_IMPOSSIBLE = frozenset({"TRACE", "CONNECT"})
# Longer lists of models are put together in a thread.
_MANY = 200

Observer = Callable[[Step, object], None]
"""Is called after each step that a request has passed, with what the step found.

| step | found |
|---|---|
| LISTENER | the `ListenerView`, None if the listener has no configuration |
| ENDPOINT | the `Matched` endpoint and the `Rule`, if one matched |
| TOKEN | the `Token` |
| ROUTE | the `Destination`, or the `OwnAnswer` after which no step follows |
| AFFINITY | the upstream that keeps the things a request is about, None if it is unknown, or NOT_KEPT |
| LIMIT | the `Token` and the `ListenerView` |
"""

NOT_KEPT = object()
"""Is found where a request is not about things that upstreams keep."""


class Plan(Struct, frozen=True, gc=False):
    """How an admitted request is served. `body` is empty if it streams through.

    `coded` is the body as it came, if that has a content coding, which `body` is without.
    """

    matched: Matched
    identity: Identity
    peek: Peek
    body: bytes
    destination: Destination
    remembers: bool
    """Whether the answer may name a thing that is found again by its id."""
    coded: bytes | None = None
    awaited: Awaited | None = None
    """The response that is made in the background, if the request may read its end."""


class Planner:
    """Takes requests through the steps. Each part may be the real one, or one that uses nothing up.

    `check_ip` counts a request of an address and refuses those beyond a listener's limit; `authenticate`
    finds the caller and records it; `admit` counts a request of a token that is limited in requests, and
    returns how it was admitted, NONE if the limit is reached; `model_lists` returns the models of upstreams,
    by upstream.
    """

    def __init__(
        self,
        *,
        check_ip: Callable[[str, IpLimit, str], None],
        authenticate: Callable[[Exchange], Awaitable[Identity]],
        affinity: Affinity,
        admit: Callable[[Token], Awaitable[Admission]],
        model_lists: Callable[[Iterable[Target], ProjectView], Awaitable[Mapping[str, ModelTimes]]],
    ) -> None:
        self._check_ip = check_ip
        self._authenticate = authenticate
        self._affinity = affinity
        self._admit = admit
        self._model_lists = model_lists

    async def plan(self, exchange: Exchange, observe: Observer | None = None) -> Plan | OwnAnswer:
        """Return how a request is served. Raises `TollkeeperError` at the first step that refuses it."""
        view = exchange.snapshot.listeners.get(exchange.listener)
        if view is not None and view.ip_limit is not None:
            client = exchange.scope.get("client")
            self._check_ip(view.name, view.ip_limit, client[0] if client else "")
        if observe is not None:
            observe(Step.LISTENER, view)

        _check_request(exchange)
        matched, rule = enter(exchange, view)
        endpoint = exchange.endpoint = matched.endpoint
        if observe is not None:
            observe(Step.ENDPOINT, (matched, rule))

        if endpoint.is_own or exchange.method == "OPTIONS":
            answer = own_answer(exchange)
            if observe is not None:
                observe(Step.ROUTE, answer)
            return answer
        identity = await self._authenticate(exchange)
        token = identity.token
        if observe is not None:
            observe(Step.TOKEN, token)

        if rule is None and endpoint is MODELS and exchange.method in {"GET", "HEAD"}:
            answer = await self._models(exchange, matched, identity, view.open_groups if view else ())
            if observe is not None:
                observe(Step.ROUTE, answer)
            return answer
        peek, body, coded = NO_PEEK, b"", None
        if endpoint.body is Body.STREAM:
            refuse_declared(exchange, exchange.limits.max_upload)
        else:
            whole = arrived_body(exchange)
            body = whole if whole is not None else await read_body(exchange)
            exchange.request_bytes = len(body)
            content_type = exchange.headers.get(b"content-type", b"")
            if b"content-encoding" in exchange.headers and body and is_read(endpoint, content_type):
                plain = await decode_request(exchange, body)
                if plain is not body:
                    coded, body = body, plain
            by_path = bool(matched.path_model)
            if len(body) > LARGE and media_type(content_type) == b"multipart/form-data":
                peek = await asyncio.to_thread(peek_body, endpoint, exchange.method, content_type, body)
            else:
                peek = peek_body(endpoint, exchange.method, content_type, body, by_path=by_path)
        if token.allowed_models:
            check_url(exchange, matched, token)
        default_group = view.default_group if view is not None else ""
        named = None
        if peek.is_json and (peek.model is None or endpoint.names_deeper or token.allowed_models):
            named = await _find_named(peek, matched, body)
        if named is None:
            destination = find_destination(exchange, matched, token, peek, rule, default_group)
        else:
            peek = structs.replace(peek, named=named)
            destination = find_named_destination(exchange, matched, token, peek, named, rule, default_group)
        if observe is not None:
            observe(Step.ROUTE, destination)

        # Where there is one upstream, it has everything.
        remembers, keeper = endpoint.keeps and len(exchange.snapshot.targets) > 1, None
        if remembers:
            keeper = await self._affinity.find(matched, body)
            if keeper is not None:
                destination = _pinned(exchange, destination, keeper)
        if observe is not None:
            observe(Step.AFFINITY, keeper if remembers else NOT_KEPT)
        awaited = None
        if endpoint.dialect is RESPONSES_AGAIN:
            awaited = await self._affinity.awaited(exchange.method, matched)
            if awaited is not None:
                exchange.endpoint = RESPONSES_END

        exchange.admission = await self._admit(token) if token.max_requests else Admission.UNLIMITED
        if exchange.admission is Admission.NONE:
            raise TollkeeperError(
                Reason.REQUEST_LIMIT_EXCEEDED,
                f"the token has used up its {token.max_requests:,} requests; "
                "have an administrator raise max_requests",
            )
        if observe is not None:
            observe(Step.LIMIT, (token, view))
        return Plan(matched, identity, peek, body, destination, remembers, coded, awaited)

    async def _models(
        self, exchange: Exchange, matched: Matched, identity: Identity, groups: tuple[str, ...]
    ) -> OwnAnswer:
        snapshot, token, surface = exchange.snapshot, identity.token, exchange.surface
        name = unquote(matched.path.removeprefix("/models").strip("/"))
        targets = listing_targets(snapshot, groups, name)
        lists = await self._model_lists(targets.values(), identity.project) if targets else {}
        if name:
            body = get_model(snapshot, token, surface, name, lists, groups)
        elif sum(map(len, lists.values())) > _MANY:
            body = await asyncio.to_thread(list_models, snapshot, token, surface, lists, groups)
        else:
            body = list_models(snapshot, token, surface, lists, groups)
        about = "the gateway answers by itself, with the models that the token may use"
        if targets:
            about = f"{about}; {', '.join(sorted(targets))} may list further ones"
        return OwnAnswer(body, about)


def _check_request(exchange: Exchange) -> None:
    """Refuse a request that no endpoint takes, whatever its path."""
    if exchange.method in _IMPOSSIBLE:
        raise method_not_allowed(exchange.method, exchange.endpoint.methods)
    if exchange.caller is None or not exchange.caller.headers_checked:
        check_headers(exchange.scope["headers"])
    if len(exchange.headers) != len(exchange.scope["headers"]):
        check_repeated(exchange.scope["headers"])
    check_framing(exchange.headers)
    if b"expect" in exchange.headers:
        check_expectation(exchange.headers, exchange.scope["http_version"])
    check_upgrade(exchange.method, exchange.headers)
    check_query(exchange.scope["query_string"])


async def _find_named(peek: Peek, matched: Matched, body: bytes) -> Named | None:
    has_model, by_path = peek.model is not None, bool(matched.path_model)
    if len(body) <= LARGE:
        return find_named(body, has_model=has_model, by_path=by_path)
    return await asyncio.to_thread(find_named, body, has_model=has_model, by_path=by_path)


def _pinned(exchange: Exchange, destination: Destination, keeper: str) -> Destination:
    target = exchange.snapshot.targets.get(keeper)
    if target is None:
        raise TollkeeperError(
            Reason.NO_UPSTREAM,
            f"the upstream {keeper!r}, which keeps what the request is about, takes no traffic; "
            "have an administrator activate it",
            retry_after=ADMINISTRATOR_SECONDS,
        )
    return pin(destination, target)
