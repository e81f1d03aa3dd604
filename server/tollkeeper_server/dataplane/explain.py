"""Explaining a request: its plan, made by the data plane's own steps without using anything up."""

from collections.abc import Awaitable, Callable
from typing import NoReturn

import msgspec

from tollkeeper_server.dataplane.affinity import Affinity
from tollkeeper_server.dataplane.call.balance import Balancer
from tollkeeper_server.dataplane.call.dispatch import fallbacks, session_of, unavailable
from tollkeeper_server.dataplane.call.forward import outgoing, outgoing_url
from tollkeeper_server.dataplane.call.health import Health
from tollkeeper_server.dataplane.call.model_lists import ModelLists
from tollkeeper_server.dataplane.caller import LISTENER, Message
from tollkeeper_server.dataplane.codings import is_coding, list_codings
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.plan import Plan, Planner
from tollkeeper_server.dataplane.reply.own import OwnAnswer
from tollkeeper_server.dataplane.request.authenticate import Authenticator, Identity
from tollkeeper_server.dataplane.request.endpoint import Body, Matched
from tollkeeper_server.dataplane.request.limits import Limits
from tollkeeper_server.dataplane.request.peek import media_type
from tollkeeper_server.dataplane.route import Destination
from tollkeeper_server.domain.explanation import ExplainedMember, Explanation, Query, Step, Verdict
from tollkeeper_server.domain.listener import MAIN, IpLimit, Rule
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.usage import Admission
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.snapshot.model import Header, ListenerView, PoolMember, Snapshot, Target

_CHAT = "/v1/chat/completions"
_TOKEN_ID = "tok_"  # noqa: S105 - how ids begin
_MASK = "***"
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

    async def explain(self, query: Query) -> Explanation:
        """Return where the request would go, and why. Raises STORE_UNAVAILABLE."""
        exchange = _exchange(query, self._current(), self._limits)
        planner = Planner(
            check_ip=_count_no_address,
            authenticate=lambda exchange: self._authenticate(exchange, query.token),
            affinity=self._affinity,
            admit=self._would_admit,
            model_lists=self._model_lists.of,
        )
        account = _Account(exchange)
        try:
            _check_listener(exchange)
            plan = await planner.plan(exchange, account.observe)
        except TollkeeperError as error:
            if error.reason is Reason.STORE_UNAVAILABLE:
                raise
            account.refused(error)
            return account.explanation()
        if isinstance(plan, OwnAnswer):
            return account.explanation()
        return self._with_members(exchange, account, plan)

    async def _authenticate(self, exchange: Exchange, token: str) -> Identity:
        if not token.startswith(_TOKEN_ID):
            return await self._authenticator.authenticate(exchange)
        found = await self._find_token(token)
        if found is None:
            raise TollkeeperError(Reason.INVALID_API_KEY, f"there is no token {token!r}", field="token")
        return await self._authenticator.accept(exchange, found)

    async def _would_admit(self, token: Token) -> Admission:
        stored = await self._find_token(token.id) or token  # what the caches know of the count is old
        if not stored.max_requests:
            return Admission.UNLIMITED
        return Admission.LIMITED if stored.request_count < stored.max_requests else Admission.NONE

    def _with_members(self, exchange: Exchange, account: "_Account", plan: Plan) -> Explanation:
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
        )

    def _choose(
        self, exchange: Exchange, account: "_Account", plan: Plan
    ) -> tuple[Destination, PoolMember | None]:
        """Return the destination and member that would be called first, None if none may be called now."""
        streams = exchange.endpoint.body is Body.STREAM
        chosen = self._pick(exchange, plan.destination, streams=streams)
        if chosen is not None:
            words = f"{chosen.target.name}, by {plan.destination.pool.strategy.value}"
            account.passed(Step.MEMBER, words + _passing_words(chosen.target))
            return plan.destination, chosen
        refusal = unavailable(plan.destination, self._balancer)
        for name, fallback in () if streams else fallbacks(exchange, plan):
            chosen = self._pick(exchange, fallback, streams=False)
            if chosen is not None:
                words = f"{chosen.target.name}, of the fallback {name}: {refusal.message}"
                account.passed(Step.MEMBER, words + _passing_words(chosen.target))
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
        )


class _Account:
    """The verdicts of the steps so far, each step's after those before it."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._verdicts: list[Verdict] = []
        self._next = iter(Step)
        self._rule: Rule | None = None

    def observe(self, step: Step, found: object) -> None:
        """Record that a step passed, as a `plan.Observer`."""
        next(self._next)
        match step, found:
            case Step.LISTENER, ListenerView():
                self.passed(step, f"{found.name} at {found.address}")
            case Step.LISTENER, _:
                self.passed(step, f"{self._exchange.listener}, without rules")
            case Step.ENDPOINT, (Matched() as matched, Rule() | None as rule):
                self._rule = rule
                self.passed(step, f"{matched.endpoint.name}, {self._exchange.method} {matched.path}")
            case Step.TOKEN, Token():
                self.passed(step, f"{found.id} of project {found.project_id}")
            case Step.ROUTE, Destination():
                self.passed(step, _route_words(found))
            case Step.ROUTE, OwnAnswer():
                self.passed(step, found.about)
            case Step.AFFINITY, None:
                self.passed(step, "nothing is known of what it is about")
            case Step.AFFINITY, str():
                self.passed(step, f"kept by {found}")
            case Step.LIMIT, (Token() as token, ListenerView() | None as view):
                self.passed(step, _limits(token, view))

    def passed(self, step: Step, detail: str) -> None:
        """Record that a step passed."""
        self._verdicts.append(Verdict(step=step, passed=True, detail=detail))

    def refused(self, error: TollkeeperError) -> None:
        """Record that the step after those that passed refused the request."""
        self._verdicts.append(
            Verdict(step=next(self._next), passed=False, detail=error.message, code=error.reason.value)
        )

    def explanation(self, **found: object) -> Explanation:
        exchange = self._exchange
        return Explanation(
            admitted=all(verdict.passed for verdict in self._verdicts),
            verdicts=tuple(self._verdicts),
            listener=exchange.listener,
            rule=_rule_words(self._rule) if self._rule is not None else "",
            project_id=exchange.project_id,
            token_id=exchange.token_id,
            revision=exchange.snapshot.revision,
            **found,  # type: ignore[arg-type]  # the fields of what is made, checked there
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
    members: dict[str, object] = {"model": query.model} if query.model else {}
    if query.streamed:
        members["stream"] = True
    return msgspec.json.encode(members)


def _count_no_address(_listener: str, _limit: IpLimit, _ip: str) -> None:
    """Stand in for the limits of addresses: an explained request comes from none."""


def _limits(token: Token, view: ListenerView | None) -> str:
    per_second = view.ip_limit.per_second if view is not None and view.ip_limit is not None else 0
    used = f"{token.request_count:,} of {token.max_requests:,} requests used" if token.max_requests else ""
    address = f"{per_second:,} requests a second of an address" if per_second else ""
    return ", ".join(filter(None, (used, address))) or "none"


def _route_words(destination: Destination) -> str:
    pool, route, rule = destination.pool, destination.route, destination.rule
    if rule is not None:
        return f"rule {_rule_words(rule)} sends it to group {rule.group}"
    if route is not None:
        where = f"group {pool.group}" if pool.group else "its deployments"
        return f"model {route.name} is served by {where}"
    if pool.group:
        return f"the listener's default group {pool.group} serves it"
    return f"it names no model: the default upstream {pool.name} serves it"


def _passing_words(target: Target) -> str:
    passed = ", ".join(sorted(name.decode() for name in target.passed_headers))
    return f"; of its answer's headers, {passed} may pass, too" if passed else ""


def _rule_words(rule: Rule) -> str:
    header = rule.header and f"{rule.header}: {rule.value or rule.pattern or '*'}"
    return " with ".join(filter(None, (rule.path, header)))


def _shown_headers(exchange: Exchange, plan: Plan, member: PoolMember) -> tuple[tuple[str, str], ...]:
    plain = exchange.endpoint.dialect.is_metered
    sent = outgoing(exchange, plan, member, b"", plain=plain).headers
    secret = {name for name, _ in member.target.credential} | {b"authorization"}
    return tuple(_shown(header, secret) for header in sent)


def _shown(header: Header, secret: set[bytes]) -> tuple[str, str]:
    name, value = header
    return name.decode("latin-1"), _MASK if name in secret else value.decode("latin-1")


async def _no_answer(_message: Message) -> NoReturn:
    raise AssertionError("nothing is answered to a request that is explained")
