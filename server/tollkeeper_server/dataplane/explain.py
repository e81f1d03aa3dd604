"""Explaining a request: the data plane's own steps, taken without sending anything or using anything up."""

from collections.abc import Awaitable, Callable
from typing import NoReturn

from tollkeeper_server.dataplane.affinity import Affinity, keeps
from tollkeeper_server.dataplane.call.balance import Balancer
from tollkeeper_server.dataplane.call.forward import outgoing, outgoing_url
from tollkeeper_server.dataplane.call.health import Health
from tollkeeper_server.dataplane.caller import LISTENER
from tollkeeper_server.dataplane.exchange import Exchange, Message
from tollkeeper_server.dataplane.headers import check_headers
from tollkeeper_server.dataplane.request.authenticate import Authenticator
from tollkeeper_server.dataplane.request.endpoint import check_query
from tollkeeper_server.dataplane.request.peek import Peek
from tollkeeper_server.dataplane.route import Way, enter, find_way, pin
from tollkeeper_server.domain.explanation import ExplainedMember, Explanation, Query, Step, Verdict
from tollkeeper_server.domain.listener import MAIN, Rule
from tollkeeper_server.domain.token import Token
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.snapshot.model import Header, Leg, Snapshot

_CHAT = "/v1/chat/completions"
_TOKEN_ID = "tok_"  # noqa: S105 - how ids begin
_MASK = "***"


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
    ) -> None:
        """`find_token` returns a token by its id."""
        self._current = current
        self._authenticator = authenticator
        self._find_token = find_token
        self._affinity = affinity
        self._health = health
        self._balancer = balancer

    async def explain(self, query: Query) -> Explanation:
        """Returns where the request would go, and why. Raises STORE_UNAVAILABLE."""
        exchange = Exchange(_scope(query), _no_message, _no_answer, self._current())
        told = _Told(exchange)
        try:
            way = await self._walk(exchange, query, told)
        except TollkeeperError as error:
            if error.reason is Reason.STORE_UNAVAILABLE:
                raise
            told.refused(error)
            return told.explanation()
        return self._with_members(exchange, told, way)

    async def _walk(self, exchange: Exchange, query: Query, told: "_Told") -> Way:
        view = exchange.snapshot.listeners.get(exchange.listener)
        told.step = Step.LISTENER
        if view is None and exchange.listener != MAIN:
            raise TollkeeperError(
                Reason.NOT_FOUND, f"there is no active listener {exchange.listener!r}", field="listener"
            )
        told.passed(
            f"{exchange.listener} at {view.address}" if view else f"{exchange.listener}, without rules"
        )
        told.step = Step.ENDPOINT
        check_headers(exchange.scope["headers"])
        check_query(exchange.scope["query_string"])
        rule = enter(exchange, exchange.scope["raw_path"])
        assert exchange.matched is not None
        told.rule = rule
        told.passed(f"{exchange.matched.endpoint.name}, {exchange.method} {exchange.matched.path}")
        told.step = Step.TOKEN
        await self._authenticate(exchange, query.token)
        assert exchange.token is not None
        told.passed(f"{exchange.token.id} of project {exchange.token.project_id}")
        told.step = Step.LIMIT
        told.passed(_limits(exchange.token, view.ip_limit.per_second if view and view.ip_limit else 0))
        told.step = Step.ROUTE
        peek = Peek(query.model or None, streamed=query.streamed, is_json=True)
        exchange.wants_stream = query.streamed
        way = find_way(exchange, peek, rule)
        told.passed(_route_words(way))
        if keeps(exchange):
            told.step = Step.AFFINITY
            upstream = await self._affinity.find(exchange, b"")
            target = exchange.snapshot.targets.get(upstream) if upstream is not None else None
            if target is not None:
                way = pin(way, target)
            told.passed(
                f"kept by {target.name}" if target is not None else "nothing is known of what it is about"
            )
        return way

    async def _authenticate(self, exchange: Exchange, token: str) -> None:
        if not token.startswith(_TOKEN_ID):
            await self._authenticator.authenticate(exchange)
            return
        found = await self._find_token(token)
        if found is None:
            raise TollkeeperError(Reason.INVALID_API_KEY, f"there is no token {token!r}", field="token")
        if not self._authenticator.accept(exchange, found):
            await self._authenticator.accept_elsewhere(exchange, found)

    def _with_members(self, exchange: Exchange, told: "_Told", way: Way) -> Explanation:
        pool = way.pool
        told.step = Step.MEMBER
        session = exchange.headers.get(pool.session_header, b"") if pool.session_header else b""
        picked = self._balancer.peek(pool, session)
        chosen: Leg | None = picked[1] if picked is not None else None
        if chosen is not None:
            told.passed(f"{chosen.target.name}, by {pool.strategy.value}")
        elif pool.legs:
            told.failed(
                "every upstream failed too often and is left alone for the moment", Reason.NO_UPSTREAM
            )
        else:
            told.failed(f"{pool.name} has no active deployment", Reason.NO_UPSTREAM)
        return told.explanation(
            group=pool.group,
            model=exchange.model_served,
            fallbacks=way.route.fallbacks if way.route is not None else (),
            strategy=pool.strategy.value,
            members=tuple(self._member(exchange, leg, is_chosen=leg is chosen) for leg in pool.legs),
            headers=_shown_headers(exchange, chosen) if chosen is not None else (),
            price=way.route.price if way.route is not None else None,
        )

    def _member(self, exchange: Exchange, leg: Leg, *, is_chosen: bool) -> ExplainedMember:
        view = self._health.of(leg.target).view()
        return ExplainedMember(
            upstream=leg.target.name,
            upstream_model=leg.upstream_model,
            weight=leg.weight,
            score=view.score,
            in_flight=view.in_flight,
            success_share=view.success_share,
            average_seconds=view.average_seconds,
            breaker=view.breaker.value,
            is_available=view.is_available,
            is_chosen=is_chosen,
            url=outgoing_url(exchange, leg),
        )


class _Told:
    """What was found out so far."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._verdicts: list[Verdict] = []
        self.step = Step.LISTENER
        self.rule: Rule | None = None

    def passed(self, detail: str) -> None:
        self._verdicts.append(Verdict(step=self.step, passed=True, detail=detail))

    def failed(self, detail: str, reason: Reason) -> None:
        self._verdicts.append(Verdict(step=self.step, passed=False, detail=detail, code=reason.value))

    def refused(self, error: TollkeeperError) -> None:
        self.failed(error.message, error.reason)

    def explanation(self, **found: object) -> Explanation:
        exchange = self._exchange
        return Explanation(
            admitted=all(verdict.passed for verdict in self._verdicts),
            verdicts=tuple(self._verdicts),
            listener=exchange.listener,
            rule=_rule_words(self.rule) if self.rule is not None else "",
            project_id=exchange.token.project_id if exchange.token is not None else "",
            token_id=exchange.token.id if exchange.token is not None else "",
            revision=exchange.snapshot.revision,
            **found,  # type: ignore[arg-type]  # the fields of what is made, checked there
        )


def _scope(query: Query) -> Message:
    path, _, asked = (query.path or _CHAT).partition("?")
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in query.headers]
    if query.token and not query.token.startswith(_TOKEN_ID):
        headers.append((b"authorization", b"Bearer " + query.token.encode("latin-1", "replace")))
    return {
        "type": "http",
        "http_version": "1.1",
        "method": query.method or "POST",
        "path": path,
        "raw_path": path.encode("utf-8", "replace"),
        "query_string": asked.encode("utf-8", "replace"),
        "headers": [*headers, (b"content-type", b"application/json")],
        LISTENER: query.listener or MAIN,
    }


def _limits(token: Token, per_second: int) -> str:
    left = f"{token.request_count:,} of {token.max_requests:,} requests used" if token.max_requests else ""
    address = f"{per_second:,} requests a second of an address" if per_second else ""
    return ", ".join(filter(None, (left, address))) or "none"


def _route_words(way: Way) -> str:
    if way.rule is not None:
        return f"rule {_rule_words(way.rule)} sends it to group {way.rule.group}"
    if way.route is not None:
        where = f"group {way.pool.group}" if way.pool.group else "its deployments"
        return f"model {way.route.name} is served by {where}"
    if way.pool.group:
        return f"the listener's default group {way.pool.group} serves it"
    return f"it names no model: the default upstream {way.pool.name} serves it"


def _rule_words(rule: Rule) -> str:
    header = rule.header and f"{rule.header}: {rule.value or rule.pattern or '*'}"
    return " with ".join(filter(None, (rule.path, header)))


def _shown_headers(exchange: Exchange, leg: Leg) -> tuple[tuple[str, str], ...]:
    assert exchange.matched is not None
    plain = exchange.matched.endpoint.dialect.is_metered
    sent = outgoing(exchange, leg, b"", plain=plain).headers
    secret = {name for name, _ in leg.target.credential} | {b"authorization"}
    return tuple(_shown(header, secret) for header in sent)


def _shown(header: Header, secret: set[bytes]) -> tuple[str, str]:
    name, value = header
    return name.decode("latin-1"), _MASK if name in secret else value.decode("latin-1")


async def _no_message() -> NoReturn:
    raise AssertionError("nothing is read of a request that is explained")


async def _no_answer(_message: Message) -> NoReturn:
    raise AssertionError("nothing is answered to a request that is explained")
