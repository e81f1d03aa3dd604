"""A data plane with everything around it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from tollkeeper_server.coordination.ports import Unknown
from tollkeeper_server.dataplane.affinity import Affinity
from tollkeeper_server.dataplane.call.balance import Balancer
from tollkeeper_server.dataplane.call.dispatch import Dispatcher
from tollkeeper_server.dataplane.call.health import Health
from tollkeeper_server.dataplane.call.model_lists import ModelLists
from tollkeeper_server.dataplane.call.retry import RetryBudget
from tollkeeper_server.dataplane.plan import Planner
from tollkeeper_server.dataplane.plane import DataPlane
from tollkeeper_server.dataplane.request.authenticate import Authenticator
from tollkeeper_server.dataplane.request.ip_limit import IpLimits
from tollkeeper_server.dataplane.request.limits import Limits
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.usage import Admission, UsageEvent
from tollkeeper_server.errors import StoreUnavailableError, TollkeeperError
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

    async def find(self, digest: str) -> Token | None:
        """As the port says, or fails as it was told to."""
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return self.stored.get(digest)


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

    async def find(self, one: str) -> str | None:
        """Return where it is."""
        return self.upstreams.get(one)

    async def pending(self, one: str) -> UsageEvent | None:
        """Return what waits for it."""
        return self.waiting.get(one)

    def settle(self, one: str, first: Callable[[], None]) -> None:
        """Let nothing wait for it any more."""
        if self.waiting.pop(one, None) is not None:
            first()

    async def remember(
        self, one: str, upstream: str, project_id: str, pending: UsageEvent | None = None
    ) -> None:
        """Keep where it is, once it may, or say that the store is away."""
        self.writing.set()
        await self.may_write.wait()
        if self.away:
            raise StoreUnavailableError("the store")
        self.upstreams[one] = upstream
        self.projects[one] = project_id
        if pending is not None:
            self.waiting[one] = pending


class Bench:
    """A data plane with everything around it."""

    def __init__(
        self, configuration: Snapshot | None = None, known: Token | None = None, **limits: Any
    ) -> None:
        self.journal = Recorder()
        self.transport = ScriptedTransport(self.journal)
        self.snapshot = configuration or snapshot(
            route("gpt-4o", member_on(target(), "")),
            route("claude", member_on(ANTHROPIC, "claude-sonnet")),
            default=target("fallback", base_url="http://default.test/v1"),
        )
        self.tokens = KnownTokens(known or token())
        self.metrics = Metrics()
        self.admitted = True
        self.admissions: list[str] = []
        self.now = 1000.0
        self.health = Health(lambda: self.now)
        self.balancer = Balancer(self.health, Random(1))
        self.metrics = Metrics()
        self.placements = Kept()
        self.affinity = Affinity(self.placements)
        self.authenticator = Authenticator(self.tokens, DIGEST_KEY, self.reload, lambda: NOW)
        self.limits = Limits(**{"max_body": 1 << 20, "max_upload": 2 << 20, **limits})
        self.model_lists = ModelLists(self.transport, self.metrics, lambda: self.now)
        self.plane = DataPlane(
            current=lambda: self.snapshot,
            planner=Planner(
                check_ip=IpLimits(time.monotonic, self.metrics.rate_limited).check,
                authenticate=self.authenticator.authenticate,
                affinity=self.affinity,
                admit=self._admit,
                model_lists=self.model_lists.of,
            ),
            dispatcher=Dispatcher(
                self.transport,
                self.health,
                self.balancer,
                RetryBudget(lambda: self.now),
                self.metrics,
                Random(1),
                lambda caller: self.journal.begin(caller.intent()),
            ),
            affinity=self.affinity,
            journal=self.journal,
            metrics=self.metrics,
            limits=self.limits,
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
