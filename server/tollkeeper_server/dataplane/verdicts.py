"""The verdicts of an explanation: what each step of a plan found, in words."""

from tollkeeper_server.dataplane.affinity import Kept, NotOwnError
from tollkeeper_server.dataplane.budget.granted import Granted
from tollkeeper_server.dataplane.budget.refusal import need_words
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.plan import OWN_LIST
from tollkeeper_server.dataplane.reply.own import OwnAnswer
from tollkeeper_server.dataplane.request.endpoint import Matched
from tollkeeper_server.dataplane.request.kept_models import LookUp
from tollkeeper_server.dataplane.route import NOWHERE, Destination
from tollkeeper_server.domain.explanation import Explanation, Step, Verdict
from tollkeeper_server.domain.listener import Rule
from tollkeeper_server.domain.token import Token
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.snapshot.model import ListenerView, Target


class Account:
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
            case Step.AFFINITY, (None | Kept() as known, None | LookUp() as look_up):
                self.passed(step, _kept_words(known, look_up))
            case Step.AFFINITY, _ if found is OWN_LIST:
                self.passed(
                    step, "the project's own things are listed, of all upstreams that keep some for it"
                )
            case Step.LIMIT, (Token() as token, ListenerView() | None as view, Granted() as granted):
                self.passed(step, _limits(token, view, granted))

    def passed(self, step: Step, detail: str) -> None:
        """Record that a step passed."""
        self._verdicts.append(Verdict(step=step, passed=True, detail=detail))

    def refused(self, error: TollkeeperError) -> None:
        """Record that the step after those that passed refused the request."""
        detail = error.message
        if isinstance(error, NotOwnError) and error.owner:
            detail = f"{detail} (project {error.owner} has it)"
        self._verdicts.append(
            Verdict(
                step=next(self._next),
                passed=False,
                detail=detail,
                code=error.reason.value,
                status=error.outcome.http,
            )
        )

    def explanation(self, **found: object) -> Explanation:
        """Return the explanation by the verdicts so far; `found` are its other fields."""
        exchange = self._exchange
        return Explanation(
            admitted=all(verdict.passed for verdict in self._verdicts),
            verdicts=tuple(self._verdicts),
            listener=exchange.listener,
            rule=self._rule.words if self._rule is not None else "",
            project_id=exchange.project_id,
            token_id=exchange.token_id,
            revision=exchange.snapshot.revision,
            **found,  # type: ignore[arg-type]  # the fields of what is made, checked there
        )


def _limits(token: Token, view: ListenerView | None, granted: Granted) -> str:
    per_second = view.ip_limit.per_second if view is not None and view.ip_limit is not None else 0
    used = f"{token.request_count:,} of {token.max_requests:,} requests used" if token.max_requests else ""
    address = f"{per_second:,} requests a second of an address" if per_second else ""
    reserved = [need_words(meter, need) for meter, need in granted.needs]
    words = ", ".join(filter(None, (used, address, *reserved))) or "none"
    if granted.max_output:
        why = "which is what is left" if granted.is_clamped else "as nobody says how long it is"
        words += f"; the answer may have {granted.max_output:,} tokens, {why}"
    for call in sorted(granted.passed_over):
        words += f"; {call.upstream} is not asked for {call.upstream_model}, whose price is not known"
    return words


def _kept_words(known: Kept | None, look_up: LookUp | None) -> str:
    words = "nothing is known of what it is about"
    if known is not None:
        kept = known.placement
        words = f"{kept.id} is kept by {kept.upstream} for project {kept.project_id}"
    if look_up is None:
        return words
    things = ", ".join(look_up.paths)
    words += f"; {things} is read there first, and what the token may not use or reach is refused"
    return f"{words}; what its lines may use is reserved then" if look_up.is_batch else words


def _route_words(destination: Destination) -> str:
    pool, route, rule = destination.pool, destination.route, destination.rule
    if rule is not None:
        return f"rule {rule.words} sends it to group {rule.group}"
    if route is not None:
        where = f"group {pool.group}" if pool.group else "its deployments"
        return f"model {route.name} is served by {where}"
    if pool is NOWHERE:
        return "it names no model, and no upstream is the default: what it is about decides"
    if pool.group:
        return f"the listener's default group {pool.group} serves it"
    return f"it names no model: the default upstream {pool.name} serves it"


def passing_words(target: Target) -> str:
    """Return which further headers of an upstream's answers pass, empty if none do."""
    passed = ", ".join(sorted(name.decode() for name in target.passed_headers))
    return f"; of its answer's headers, {passed} may pass, too" if passed else ""
