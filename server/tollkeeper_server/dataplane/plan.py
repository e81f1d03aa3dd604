"""The plan of a request: the steps it passes up to its admission, in their order.

The data plane serves by the plan; `explain` makes the same plan with an observer, and sends nothing.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import Protocol

from msgspec import Struct, structs

from tollkeeper_server.dataplane.affinity import Affinity, concerns
from tollkeeper_server.dataplane.aside import LARGE, aside
from tollkeeper_server.dataplane.background import Awaited
from tollkeeper_server.dataplane.budget.demanding import Asking
from tollkeeper_server.dataplane.budget.granted import AS_ASKED, Granted
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.headers import (
    check_expectation,
    check_framing,
    check_headers,
    check_repeated,
    check_upgrade,
)
from tollkeeper_server.dataplane.reply.listing import ReadLists, own_models
from tollkeeper_server.dataplane.reply.own import OwnAnswer, method_not_allowed, own_answer
from tollkeeper_server.dataplane.request.authenticate import Identity
from tollkeeper_server.dataplane.request.body import arrived_body, read_body, refuse_declared
from tollkeeper_server.dataplane.request.coding import decode_request
from tollkeeper_server.dataplane.request.endpoint import (
    CHAT,
    LIMITS,
    MESSAGES,
    MODELS,
    RESPONSES_END,
    Body,
    Matched,
)
from tollkeeper_server.dataplane.request.kept_models import (
    RUNNING_BY_THINGS,
    LookUp,
    check_sources,
    find_look_up,
)
from tollkeeper_server.dataplane.request.kept_path import is_list, segments_of
from tollkeeper_server.dataplane.request.named import Named, Place, find_named, may_name, named_in, walk_named
from tollkeeper_server.dataplane.request.path import check_query
from tollkeeper_server.dataplane.request.peek import (
    NO_PEEK,
    READ_AT_ONCE,
    Peek,
    is_read,
    media_type,
    peek_body,
)
from tollkeeper_server.dataplane.request.references import says_audio
from tollkeeper_server.dataplane.request.words import has_word
from tollkeeper_server.dataplane.route import NOWHERE, Destination, enter, find_destination, no_default, pin
from tollkeeper_server.dataplane.route_named import find_named_destination
from tollkeeper_server.dataplane.route_url import check_url
from tollkeeper_server.dataplane.signs import windows
from tollkeeper_server.dataplane.turns import Turns
from tollkeeper_server.domain.explanation import Step
from tollkeeper_server.domain.listener import IpLimit
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.usage import Admission
from tollkeeper_server.errors import ADMINISTRATOR_SECONDS, Reason, TollkeeperError
from tollkeeper_server.snapshot.model import ListenerView

# An upstream answers TRACE with the request it got (RFC 9110, 9.3.8), our credential included.
_IMPOSSIBLE = frozenset({"TRACE", "CONNECT"})
_FOR_NO_ENDPOINT = _IMPOSSIBLE | {"OPTIONS"}
_READING = frozenset({"GET", "HEAD"})
_OF_LISTS = "GET, HEAD, OPTIONS, POST"
_OF_LIMITS = "the gateway answers by itself, with the limits that hold for the token"
# Of these tools of Anthropic's, files and containers are kept.
_RUNNING_CODE = (b"code_execution", b'"container"')

Observer = Callable[[Step, object], None]
"""Is called after each step that a request has passed, with what the step found.

| step | found |
|---|---|
| LISTENER | the `ListenerView`, None if the listener has no configuration |
| ENDPOINT | the `Matched` endpoint and the `Rule`, if one matched |
| TOKEN | the `Token` |
| ROUTE | the `Destination`, or the `OwnAnswer` after which no step follows |
| AFFINITY | OWN_LIST; or the known `Kept`, None or NOT_KEPT, and what is read first: a `LookUp` or None |
| LIMIT | the `Token`, the `ListenerView`, and what is `Granted` |
"""

NOT_KEPT = object()
"""Is found where a request is not about things that upstreams keep; None, where nothing is known of them."""
OWN_LIST = object()
"""Is found where a request is for a list of what upstreams keep for its project."""


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
    """Whether a good answer may tell of things that upstreams keep."""
    coded: bytes | None = None
    awaited: Awaited | None = None
    """The response that is made in the background, if the request may read its end."""
    lists: bool = False
    """Whether the answer is a list of what upstreams keep, of which a project sees its own things."""
    look_up: LookUp | None = None
    """What is read at the upstream before the request is sent there."""


class Budget(Protocol):
    """What limits requests: it reserves what they need (budget/reservations.py), or only looks at that."""

    async def reserve(self, exchange: Exchange, asking: Asking) -> Granted:
        """Hold what a request needs, and return what it may do.

        Raises TollkeeperError if a limit leaves too little.
        """

    async def document(self, exchange: Exchange, view: ListenerView | None, identity: Identity) -> bytes:
        """Return how the meters of a caller stand, as JSON."""


class Planner:
    """Takes requests through the steps. Each part may be the real one, or one that uses nothing up.

    `check_ip` counts a request of an address and refuses those beyond a listener's limit; `authenticate`
    finds the caller and records it; `admit` counts a request of a token that is limited in requests, and
    returns how it was admitted, NONE if the limit is reached; `budget` reserves what it needs of its limits;
    `model_lists` returns the models of upstreams, by upstream.
    """

    def __init__(
        self,
        *,
        check_ip: Callable[[str, IpLimit, str], None],
        authenticate: Callable[[Exchange], Awaitable[Identity]],
        affinity: Affinity,
        admit: Callable[[Token], Awaitable[Admission]],
        budget: Budget,
        model_lists: ReadLists,
    ) -> None:
        self._check_ip = check_ip
        self._authenticate = authenticate
        self._affinity = affinity
        self._admit = admit
        self._budget = budget
        self._model_lists = model_lists
        self._turns = Turns()

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
        exchange.rule = rule
        if observe is not None:
            observe(Step.ENDPOINT, (matched, rule))

        method = exchange.method
        if method in _FOR_NO_ENDPOINT:
            if self._shows_own(matched):
                endpoint = exchange.endpoint = replace(endpoint, methods=_OF_LISTS)
            if method in _IMPOSSIBLE:
                raise method_not_allowed(method, endpoint.methods)
        if endpoint.is_own or method == "OPTIONS":
            answer = own_answer(exchange)
            if observe is not None:
                observe(Step.ROUTE, answer)
            return answer
        identity = await self._authenticate(exchange)
        token = identity.token
        if observe is not None:
            observe(Step.TOKEN, token)
        turns = exchange.turns
        if turns is not None and perf_counter() >= turns.end and turns.is_over(token.id):
            await turns.wait(token.id, begun=False)

        if endpoint is MODELS and rule is None and method in _READING:
            groups = view.open_groups if view else ()
            answer = await own_models(exchange, matched, identity, groups, self._model_lists)
            if observe is not None:
                observe(Step.ROUTE, answer)
            return answer
        if endpoint is LIMITS and rule is None:
            if method not in _READING:
                raise method_not_allowed(method, endpoint.methods)
            answer = OwnAnswer(await self._budget.document(exchange, view, identity), _OF_LIMITS)
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
            headers = exchange.headers
            content_type = headers.get(b"content-type", b"")
            if (
                b"content-encoding" in headers
                and body
                and (endpoint.keeps or is_read(endpoint, content_type))
            ):
                plain = await decode_request(exchange, body)
                if plain is not body:
                    coded, body = body, plain
            by_path = bool(matched.path_model)
            size = len(body)
            if size > LARGE and (size > READ_AT_ONCE or media_type(content_type) == b"multipart/form-data"):
                look = partial(peek_body, endpoint, method, content_type, by_path=by_path)
                peek = await aside(size, look, body)
            else:
                peek = peek_body(endpoint, method, content_type, body, by_path=by_path)
        if token.allowed_models:
            check_url(exchange, matched, token)
        default_group = view.default_group if view is not None else ""
        routed, look_up = matched, None
        if method == "POST" and endpoint.name in RUNNING_BY_THINGS:
            look_up = await self._look_up(
                matched, token, peek, body, has_meters=exchange.snapshot.has_meters or bool(token.limits)
            )
            if look_up is not None and not look_up.is_beside:  # all that it runs is looked at before
                routed = structs.replace(matched, endpoint=replace(endpoint, runs_models=False))
        named = None
        if peek.is_json and (peek.model is None or endpoint.names_deeper or token.allowed_models):
            named = await self._find_named(peek, matched, body)
        if named is None:
            destination = find_destination(exchange, routed, token, peek, rule, default_group)
        else:
            peek = structs.replace(peek, named=named)
            destination = find_named_destination(exchange, routed, token, peek, named, rule, default_group)
        if observe is not None:
            observe(Step.ROUTE, destination)

        lists = method != "POST" and self._lists(exchange, matched)
        awaited = None
        referred = None
        concerned = concerns(endpoint, peek, body)
        if concerned:
            referred = await self._affinity.find(exchange, matched, peek, body)
        if referred is not None:
            # Where there is one upstream, it has everything, also what was another's.
            if len(exchange.snapshot.targets) > 1 or destination.pool is NOWHERE:
                destination = _pinned(exchange, destination, referred.placement.upstream)
            awaited = referred.awaited
            if awaited is not None and not awaited.is_batch:
                exchange.endpoint = RESPONSES_END
        if destination.pool is NOWHERE and not lists:
            raise no_default()
        if observe is not None:
            known = referred if referred is not None or endpoint.keeps else NOT_KEPT
            observe(Step.AFFINITY, OWN_LIST if lists else (known, look_up))

        granted = AS_ASKED
        if exchange.snapshot.has_meters or token.limits:
            reads_lines = look_up is not None and look_up.is_batch and look_up.is_all
            asking = Asking(view, identity, destination, body, peek.is_json, observe is not None, reads_lines)
            granted = await self._budget.reserve(exchange, asking)
            if granted is not AS_ASKED:
                destination = granted.changed(destination, exchange.model_served)
        if not token.max_requests:
            exchange.admission = Admission.UNLIMITED
        elif (admission := await self._admit(token)) is not Admission.NONE:
            exchange.admission = admission
        else:
            raise TollkeeperError(
                Reason.REQUEST_LIMIT_EXCEEDED,
                f"the token has used up its {token.max_requests:,} requests; "
                "have an administrator raise max_requests",
            )
        if observe is not None:
            observe(Step.LIMIT, (token, view, granted))
        if endpoint is CHAT:
            remembers = peek.store is True
            if not remembers and concerned:
                remembers = (
                    says_audio(body) if len(body) <= LARGE else await aside(len(body), says_audio, body)
                )
        elif endpoint is MESSAGES and len(body) > LARGE:
            remembers = await aside(len(body), partial(_has_any, _RUNNING_CODE), body)
        else:
            remembers = _remembers(exchange, matched, body, shared=self._affinity.shared)
        return Plan(matched, identity, peek, body, destination, remembers, coded, awaited, lists, look_up)

    async def _look_up(
        self, matched: Matched, token: Token, peek: Peek, body: bytes, *, has_meters: bool
    ) -> LookUp | None:
        limited, shared = bool(token.allowed_models), self._affinity.shared

        def look(body: bytes) -> LookUp | None:
            if not shared:
                check_sources(matched, body)
            elif not limited and not (has_meters and matched.endpoint.name == "batches"):
                return None
            return find_look_up(matched, peek, body, limited=limited)

        return await aside(len(body), look, body)

    async def _find_named(self, peek: Peek, matched: Matched, body: bytes) -> Named | None:
        has_model, by_path = peek.model is not None, bool(matched.path_model)
        if len(body) > LARGE:
            return await aside(len(body), partial(find_named, has_model=has_model, by_path=by_path), body)
        if not may_name(body, has_model=has_model):
            return None
        places: list[Place] = []
        await self._turns.through(walk_named(body, places), len(body))
        return named_in(places, has_model=has_model, by_path=by_path)

    def _shows_own(self, matched: Matched) -> bool:
        """Return whether a path leads to a list of which a project sees its own things."""
        return not self._affinity.shared and is_list(matched)

    def _lists(self, exchange: Exchange, matched: Matched) -> bool:
        """Return whether a request is for such a list. Raises METHOD_NOT_ALLOWED."""
        if not self._shows_own(matched):
            return False
        if exchange.method not in _READING:
            exchange.endpoint = replace(exchange.endpoint, methods=_OF_LISTS)
            raise method_not_allowed(exchange.method, _OF_LISTS)
        return True


def _check_request(exchange: Exchange) -> None:
    """Refuse a request that no endpoint takes, whatever its path."""
    scope, headers, caller = exchange.scope, exchange.headers, exchange.caller
    received = scope["headers"]
    if caller is None or not caller.headers_checked:
        check_headers(received)
    if len(headers) != len(received):
        check_repeated(received)
    check_framing(headers)
    if b"expect" in headers:
        check_expectation(received, scope["http_version"])
    if b"upgrade" in headers:
        check_upgrade(exchange.method, headers)
    if scope["query_string"]:
        check_query(scope["query_string"])


def _remembers(exchange: Exchange, matched: Matched, body: bytes, *, shared: bool) -> bool:
    """Return whether a good answer may tell of things that upstreams keep."""
    endpoint, method = exchange.endpoint, exchange.method
    if endpoint.keeps or (endpoint.may_keep and segments_of(matched)):
        return True
    if endpoint is MESSAGES:
        return _has_any(_RUNNING_CODE, body)
    return not shared and (method in _READING or (method == "POST" and endpoint.may_keep))


def _has_any(words: Iterable[bytes], body: bytes) -> bool:
    return any(has_word(part, word) for part in windows(body) for word in words)


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
