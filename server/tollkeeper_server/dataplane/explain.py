"""Explaining a request: its plan, made by the data plane's own steps without using anything up."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import NoReturn

import msgspec

from tollkeeper_server.dataplane.affinity import Affinity
from tollkeeper_server.dataplane.budget.forecast import Forecast
from tollkeeper_server.dataplane.budget.legs import without
from tollkeeper_server.dataplane.call.balance import Balancer, session_of
from tollkeeper_server.dataplane.call.forward import outgoing, outgoing_url
from tollkeeper_server.dataplane.call.health import Health
from tollkeeper_server.dataplane.call.model_lists import ModelLists
from tollkeeper_server.dataplane.caller import LISTENER, Message
from tollkeeper_server.dataplane.codings import is_coding, list_codings
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.plan import Plan, Planner
from tollkeeper_server.dataplane.reply.own import OwnAnswer
from tollkeeper_server.dataplane.request.authenticate import Authenticator, Identity
from tollkeeper_server.dataplane.request.endpoint import Body
from tollkeeper_server.dataplane.request.limits import Limits
from tollkeeper_server.dataplane.request.peek import media_type
from tollkeeper_server.dataplane.route import Destination, fallbacks
from tollkeeper_server.dataplane.verdicts import Account, passing_words
from tollkeeper_server.domain.explanation import (
    ExplainedMember,
    ExplainedReservation,
    Explanation,
    Query,
    Step,
)
from tollkeeper_server.domain.listener import MAIN, IpLimit
from tollkeeper_server.domain.price import ModelPrice
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.usage import Admission
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.prices.given import holding
from tollkeeper_server.snapshot.model import Header, PoolMember, Route, Snapshot
from tollkeeper_server.snapshot.prices import model_price

_CHAT = "/v1/chat/completions"
_MESSAGE_BATCHES = "/messages/batches"
_TOKEN_ID = "tok_"  # noqa: S105 - how ids begin
_MASK = "***"
_LETTER = "x"
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
# By the last part of a path: where the prompt stands, and the answer's maximum. Others are as in chat.
_PROMPTS = {"responses": "input", "embeddings": "input", "speech": "input"}
_OUTPUTS = {"responses": "max_output_tokens", "messages": "max_tokens"}
_BODIES = frozenset({"POST", "PUT", "PATCH"})


class Explainer:
    """Explains requests by the current snapshot and the health of this process."""

    def __init__(
        self,
        current: Callable[[], Snapshot],
        authenticator: Authenticator,
        find_token: Callable[[str], Awaitable[Token | None]],
        affinity: Affinity,
        health: Health,
        balancer: Balancer,
        limits: Limits,
        model_lists: ModelLists,
        forecast: Forecast,
    ) -> None:
        """`find_token` returns a token by its id, as it is stored."""
        self._current = current
        self._authenticator = authenticator
        self._find_token = find_token
        self._affinity = affinity
        self._health = health
        self._balancer = balancer
        self._limits = limits
        self._model_lists = model_lists
        self._forecast = forecast

    async def explain(self, query: Query) -> Explanation:
        """Return where the request would go, and why. Raises STORE_UNAVAILABLE."""
        exchange = _exchange(query, self._current(), self._limits)
        calls = query.calls or 1
        forecast = self._forecast.of(calls)
        admission = _Admission(self._find_token, calls)
        planner = Planner(
            check_ip=_count_no_address,
            authenticate=lambda exchange: self._authenticate(exchange, query),
            affinity=self._affinity,
            admit=admission.admit,
            budget=forecast,
            model_lists=self._model_lists.of,
        )
        account = Account(exchange)
        try:
            _check_listener(exchange)
            plan = await planner.plan(exchange, account.observe)
        except TollkeeperError as error:
            if error.reason is Reason.STORE_UNAVAILABLE:
                raise
            account.refused(error)
            fitting = forecast.fitting if admission.fitting is None else admission.fitting
            return account.explanation(reservations=forecast.found, admitted_calls=fitting)
        if isinstance(plan, OwnAnswer) or plan.lists:
            return account.explanation(reservations=forecast.found, admitted_calls=calls)
        return self._with_members(exchange, account, plan, forecast.found, calls)

    async def _authenticate(self, exchange: Exchange, query: Query) -> Identity:
        token = query.token
        if query.project_id and not token:
            return await self._authenticator.accept(exchange, _any_token(query.project_id))
        if not token.startswith(_TOKEN_ID):
            return await self._authenticator.authenticate(exchange)
        return await self._authenticator.accept_id(exchange, token)

    def _with_members(
        self,
        exchange: Exchange,
        account: Account,
        plan: Plan,
        reservations: tuple[ExplainedReservation, ...],
        calls: int,
    ) -> Explanation:
        destination, chosen = self._choose(exchange, account, plan)
        pool, route = destination.pool, destination.route
        return account.explanation(
            group=pool.group,
            model=exchange.model_served,
            fallbacks=route.fallbacks if route is not None else (),
            strategy=pool.strategy.value,
            members=tuple(
                self._member(exchange, plan, member, is_chosen=member is chosen) for member in pool.members
            ),
            headers=_shown_headers(exchange, plan, chosen) if chosen is not None else (),
            price=route.price if route is not None else None,
            billed=None if chosen is None else _billed(exchange, route, chosen),
            reservations=reservations,
            admitted_calls=0 if chosen is None else calls,
        )

    def _choose(
        self, exchange: Exchange, account: Account, plan: Plan
    ) -> tuple[Destination, PoolMember | None]:
        """Return the destination and member that would be called first, None if none may be called now."""
        streams = exchange.endpoint.body is Body.STREAM
        chosen = self._pick(exchange, plan.destination, streams=streams)
        if chosen is not None:
            words = f"{chosen.target.name}, by {plan.destination.pool.strategy.value}"
            account.passed(Step.MEMBER, words + passing_words(chosen.target))
            return plan.destination, chosen
        route = plan.destination.route
        passed_over = plan.destination.passed_over
        refusal = self._balancer.refusal(
            plan.destination.pool, has_model=route is not None, lacks_price=bool(passed_over)
        )
        for name, found in () if streams else fallbacks(exchange, route, plan.identity.token):
            assert found.route is not None
            fallback = without(found, passed_over, name if found.route.is_pattern else found.route.name)
            chosen = self._pick(exchange, fallback, streams=False)
            if chosen is not None:
                words = f"{chosen.target.name}, of the fallback {name}: {refusal.message}"
                account.passed(Step.MEMBER, words + passing_words(chosen.target))
                return fallback, chosen
        account.refused(refusal)
        return plan.destination, None

    def _pick(self, exchange: Exchange, destination: Destination, *, streams: bool) -> PoolMember | None:
        session = b"" if streams else session_of(exchange, destination.pool)
        picked = self._balancer.peek(destination.pool, session)
        return picked[1] if picked is not None else None

    def _member(
        self, exchange: Exchange, plan: Plan, member: PoolMember, *, is_chosen: bool
    ) -> ExplainedMember:
        view = self._health.of(member.target).view()
        return ExplainedMember(
            upstream=member.target.name,
            upstream_model=member.upstream_model,
            weight=member.weight,
            score=view.score,
            in_flight=view.in_flight,
            success_share=view.success_share,
            average_seconds=view.average_seconds,
            breaker=view.breaker.value,
            is_available=view.is_available,
            is_chosen=is_chosen,
            url=outgoing_url(exchange, plan, member),
            connect_failure=view.connect_failure,
            proxy=member.target.proxy,
        )


class _Admission:
    """Stands in for the admission of tokens that are limited in requests: of so many calls at once.

    `fitting` is how many of them are admitted, None if that was not asked.
    """

    def __init__(self, find_token: Callable[[str], Awaitable[Token | None]], calls: int) -> None:
        self._find_token = find_token
        self._calls = calls
        self.fitting: int | None = None

    async def admit(self, token: Token) -> Admission:
        stored = await self._find_token(token.id) or token  # what the caches know of the count is old
        if not stored.max_requests:
            return Admission.UNLIMITED
        self.fitting = min(max(stored.max_requests - stored.request_count, 0), self._calls)
        return Admission.LIMITED if self.fitting == self._calls else Admission.NONE


def _any_token(project_id: str) -> Token:
    """Return a token of a project that has no limits of its own, and may use all models."""
    return Token(id="", project_id=project_id, digest="", hint="", created_at=_LONG_AGO, updated_at=_LONG_AGO)


def _billed(exchange: Exchange, route: Route | None, member: PoolMember) -> ModelPrice:
    """Return the price that holds at present for what the member would serve."""
    name = member.upstream_model or exchange.model_served
    price = model_price(route, member.target, name, exchange.started_at)
    return msgspec.structs.replace(
        price, prices=price.prices and (holding(price.prices, exchange.started_at),)
    )


def _exchange(query: Query, snapshot: Snapshot, limits: Limits) -> Exchange:
    """Return the exchange of a request with the query's model in a body of JSON."""
    path, _, asked = (query.path or _CHAT).partition("?")
    method = query.method or "POST"
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in query.headers]
    # The query tells nothing of a form but its model, and endpoints that take forms take JSON, too. A coding
    # that can be undone changes nothing.
    headers = [header for header in headers if not (_is_form(header) or _is_coding(header))]
    names = {name for name, _ in headers}
    if query.token and not query.token.startswith(_TOKEN_ID):
        headers.append((b"authorization", b"Bearer " + query.token.encode("latin-1", "replace")))
    body = _body(query) if method in _BODIES or query.model else b""
    if not {b"content-length", b"transfer-encoding"} & names:
        headers.append((b"content-length", b"%d" % len(body)))
    if b"content-type" not in names:
        headers.append((b"content-type", b"application/json"))
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode("utf-8", "replace"),
        "query_string": asked.encode("utf-8", "replace"),
        "headers": headers,
        LISTENER: query.listener or MAIN,
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return Exchange(scope, receive, _no_answer, snapshot, limits)


def _check_listener(exchange: Exchange) -> None:
    if exchange.listener != MAIN and exchange.listener not in exchange.snapshot.listeners:
        raise TollkeeperError(
            Reason.NOT_FOUND, f"there is no active listener {exchange.listener!r}", field="listener"
        )


def _is_form(header: Header) -> bool:
    name, value = header
    return name == b"content-type" and media_type(value) == b"multipart/form-data"


def _is_coding(header: Header) -> bool:
    name, value = header
    return name == b"content-encoding" and all(map(is_coding, list_codings([value])))


def _body(query: Query) -> bytes:
    if query.body:
        return query.body.encode()
    members: dict[str, object] = {"model": query.model} if query.model else {}
    if query.streamed:
        members["stream"] = True
    path = (query.path or _CHAT).partition("?")[0]
    in_batch = path.endswith(_MESSAGE_BATCHES)
    kind = "messages" if in_batch else path.rpartition("/")[2]
    if query.prompt_bytes:
        text = _LETTER * query.prompt_bytes
        if kind in _PROMPTS:
            members[_PROMPTS[kind]] = text
        else:
            members["messages"] = [{"role": "user", "content": text}]
    if query.max_output_tokens:
        members[_OUTPUTS.get(kind, "max_completion_tokens")] = query.max_output_tokens
    return msgspec.json.encode({"requests": [{"params": members}]} if in_batch else members)


def _count_no_address(_listener: str, _limit: IpLimit, _ip: str) -> None:
    """Stand in for the limits of addresses: an explained request comes from none."""


def _shown_headers(exchange: Exchange, plan: Plan, member: PoolMember) -> tuple[tuple[str, str], ...]:
    plain = exchange.endpoint.dialect.is_metered
    sent = outgoing(exchange, plan, member, b"", plain=plain).headers
    # What operations write may be credentials, too: only the configuration itself shows it.
    written = {name.lower() for _, name, value in member.target.operations if value}
    secret = {name for name, _ in member.target.credential} | {b"authorization"} | written
    return tuple(_shown(header, secret) for header in sent)


def _shown(header: Header, secret: set[bytes]) -> tuple[str, str]:
    name, value = header
    return name.decode("latin-1"), _MASK if name.lower() in secret else value.decode("latin-1")


async def _no_answer(_message: Message) -> NoReturn:
    raise AssertionError("nothing is answered to a request that is explained")
