"""A data plane with everything around it."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from random import Random
from typing import Any

from tollkeeper_server.coordination.ports import Placements, Unknown
from tollkeeper_server.dataplane.affinity import Affinity
from tollkeeper_server.dataplane.budget.demanding import Asking
from tollkeeper_server.dataplane.budget.forecast import Forecast
from tollkeeper_server.dataplane.budget.reservations import Reservations
from tollkeeper_server.dataplane.budget.thresholds import Thresholds
from tollkeeper_server.dataplane.call.balance import Balancer
from tollkeeper_server.dataplane.call.dispatch import Dispatcher
from tollkeeper_server.dataplane.call.health import Health
from tollkeeper_server.dataplane.call.kept_models import KeptModels
from tollkeeper_server.dataplane.call.model_lists import ModelLists
from tollkeeper_server.dataplane.call.retry import RetryBudget
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.explain import Explainer
from tollkeeper_server.dataplane.plan import Plan, Planner
from tollkeeper_server.dataplane.plane import DataPlane
from tollkeeper_server.dataplane.request.authenticate import Authenticator
from tollkeeper_server.dataplane.request.ip_limit import IpLimits
from tollkeeper_server.dataplane.request.limits import Limits
from tollkeeper_server.dataplane.request.room import BodyRoom
from tollkeeper_server.dataplane.route import Destination
from tollkeeper_server.dataplane.transport import Transport
from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.usage import Admission, UsageEvent
from tollkeeper_server.errors import StoreUnavailableError, TollkeeperError
from tollkeeper_server.ledger.local import LocalLedger
from tollkeeper_server.ledger.meter import Meter
from tollkeeper_server.snapshot.model import Snapshot
from tollkeeper_server.telemetry.metrics import Metrics

from tests.unit.dataplane.configured import (
    ANTHROPIC,
    DIGEST_KEY,
    NOW,
    member_on,
    route,
    snapshot,
    target,
    token,
)
from tests.unit.dataplane.upstream import Answer, Recorder, ScriptedTransport, Step

LEDGER_NOW = 1_795_000_000_000_000
"""The ledger's time, in microseconds; nothing but a test moves it."""


class KnownTokens:
    """Tokens that are known in this process, and those that only the store knows."""

    def __init__(self, *local: Token, stored: Sequence[Token] = ()) -> None:
        self.local: dict[str, Token | Unknown] = {known.digest: known for known in local}
        self.stored = {known.digest: known for known in stored}
        self.asked = 0
        self.failure: TollkeeperError | None = None

    def peek(self, digest: str) -> Token | Unknown | None:
        """As the port says."""
        return self.local.get(digest)

    async def find(self, digest: str, address: str | None) -> Token | None:
        """As the port says, or fails as it was told to."""
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return self.stored.get(digest)

    async def by_id(self, token_id: str) -> Token | None:
        """Return a token by its id, as a store does."""
        known = (*self.local.values(), *self.stored.values())
        return next((it for it in known if isinstance(it, Token) and it.id == token_id), None)


class Kept:
    """Placements in a dict."""

    def __init__(self) -> None:
        self.upstreams: dict[str, str] = {}
        self.projects: dict[str, str] = {}
        self.waiting: dict[str, UsageEvent] = {}
        self.away = False
        self.may_write = asyncio.Event()
        self.may_write.set()
        self.writing = asyncio.Event()

    def keep(self, one: str, upstream: str, project_id: str = "prj_1") -> None:
        """Have an upstream keep something for a project."""
        self.upstreams[one] = upstream
        self.projects[one] = project_id

    async def find_many(self, ids: Collection[str]) -> dict[str, Placement]:
        """Return what is known."""
        return {
            one: Placement(
                id=one,
                upstream=self.upstreams[one],
                project_id=self.projects.get(one, "prj_1"),
                used_at=NOW,
                pending=self.waiting.get(one),
            )
            for one in ids
            if one in self.upstreams
        }

    async def keeping(self, project_id: str, upstreams: Collection[str]) -> set[str]:
        """Return those at which the project has something."""
        kept = {self.upstreams[one] for one, project in self.projects.items() if project == project_id}
        return kept.intersection(upstreams)

    async def learn(self, ids: Collection[str], upstream: str, project_id: str) -> None:
        """Keep where they are, as `remember` does."""
        for one in ids:
            if one not in self.upstreams:
                await self.remember(one, upstream, project_id)

    def settle(self, one: str, first: Callable[[], None]) -> None:
        """Let nothing wait for it any more."""
        if self.waiting.pop(one, None) is not None:
            first()

    async def remember(
        self,
        one: str,
        upstream: str,
        project_id: str,
        pending: UsageEvent | None = None,
        others: Collection[str] = (),
    ) -> None:
        """Keep where it is, once it may, or say that the store is away."""
        self.writing.set()
        await self.may_write.wait()
        if self.away:
            raise StoreUnavailableError("the store")
        for each in (one, *others):
            if self.projects.setdefault(each, project_id) == project_id:
                self.upstreams[each] = upstream
        self.waiting.pop(one, None)
        if pending is not None:
            self.waiting[one] = pending


class Bench:
    """A data plane with everything around it."""

    def __init__(
        self,
        configuration: Snapshot | None = None,
        known: Token | None = None,
        *,
        room: int = 1 << 26,
        owns: Sequence[str] = (),
        others: Sequence[Token] = (),
        transport: Transport | None = None,
        placements: Placements | None = None,
        shares_kept: bool = False,
        tells_cost: bool = False,
        default_output: int = 0,
        **limits: Any,
    ) -> None:
        """`owns` are ids of what the only upstream keeps for the caller's project."""
        self.journal = Recorder()
        self.transport = ScriptedTransport(self.journal)
        sender = transport or self.transport
        self.snapshot = configuration or snapshot(
            route("gpt-4o", member_on(target(), "")),
            route("claude", member_on(ANTHROPIC, "claude-sonnet")),
            default=target("fallback", base_url="http://default.test/v1"),
        )
        self.tokens = KnownTokens(known or token(), *others)
        self.metrics = Metrics()
        self.admitted = True
        self.admissions: list[str] = []
        self.now = 1000.0
        self.health = Health(lambda: self.now)
        self.balancer = Balancer(self.health, Random(1))
        self.metrics = Metrics()
        self.placements = Kept()
        for one in owns:
            self.placements.keep(one, "")
        remembered = placements or self.placements
        self.affinity = Affinity(remembered, shared=shares_kept)
        self.authenticator = Authenticator(
            self.tokens, DIGEST_KEY, self.tokens.by_id, self.reload, lambda: NOW
        )
        self.limits = Limits(**{"max_body": 1 << 20, "max_upload": 2 << 20, **limits})
        self.room = BodyRoom(room, self.limits.max_body)
        self.model_lists = ModelLists(self.transport, self.metrics, self.health, lambda: self.now)
        self.ledger_now = LEDGER_NOW
        self.room_for = 10**9  # intents, before one is refused for lack of room
        self.crossed: list[tuple[Meter, int]] = []
        thresholds = Thresholds(self.metrics, lambda _meter, _reached: None)

        def crossed(meter: Meter, reached: int) -> None:
            self.crossed.append((meter, reached))
            thresholds.crossed(meter, reached)

        self.ledger = LocalLedger(lambda: self.ledger_now, crossed=crossed)

        def begin(caller: Exchange) -> bool:
            self.journal.begin(caller.intent())
            return len(self.journal.begun) <= self.room_for

        async def reserve(exchange: Exchange, plan: Plan, destination: Destination) -> Destination | None:
            asking = Asking(None, plan.identity, destination, plan.body, is_json=plan.peek.is_json)
            return await self.reservations.fall_back(exchange, asking)

        self.reservations = Reservations(
            self.ledger, lambda: self.ledger_now, self.metrics, thresholds, begin, default_output
        )
        self.forecast = Forecast(self.reservations, self.ledger, lambda: self.ledger_now)
        dispatcher = Dispatcher(
            sender,
            self.health,
            self.balancer,
            RetryBudget(lambda: self.now),
            self.metrics,
            Random(1),
            begin,
            reserve,
        )
        self.plane = DataPlane(
            current=lambda: self.snapshot,
            planner=Planner(
                check_ip=IpLimits(time.monotonic, self.metrics.rate_limited).check,
                authenticate=self.authenticator.authenticate,
                affinity=self.affinity,
                admit=self._admit,
                budget=self.reservations,
                model_lists=self.model_lists.of,
            ),
            reservations=self.reservations,
            dispatcher=dispatcher,
            kept_models=KeptModels(dispatcher, self.affinity.check_bodies, self.reservations.hold_lines),
            placements=remembered,
            journal=self.journal,
            metrics=self.metrics,
            limits=self.limits,
            room=self.room,
            tells_cost=tells_cost,
        )

    @property
    def explainer(self) -> Explainer:
        """What explains requests here."""
        return Explainer(
            lambda: self.snapshot,
            self.authenticator,
            self.tokens.by_id,
            self.affinity,
            self.health,
            self.balancer,
            self.limits,
            self.model_lists,
            self.forecast,
        )

    async def reload(self) -> Snapshot:
        """Return the configuration as it is."""
        return self.snapshot

    async def _admit(self, known: Token) -> Admission:
        self.admissions.append(known.id)
        return Admission.LIMITED if self.admitted else Admission.NONE

    def answers(self, *steps: Step, status: int = 200, kind: bytes = b"application/json") -> Answer:
        """Set what the upstream answers."""
        self.transport.answer = Answer(steps, status, [(b"Content-Type", kind)])
        return self.transport.answer

    def streams(self, *steps: Step) -> Answer:
        """Set the event stream that the upstream answers with."""
        return self.answers(*steps, kind=b"text/event-stream; charset=utf-8")
