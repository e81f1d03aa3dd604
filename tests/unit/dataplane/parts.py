"""What the tests of the data plane are made of: a configuration, a caller, and an upstream by script."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import Random
from typing import Any
from urllib.parse import urlsplit

from tollkeeper_server.coordination.ports import Unknown
from tollkeeper_server.dataplane.affinity import Affinity
from tollkeeper_server.dataplane.call.balance import Balancer
from tollkeeper_server.dataplane.call.dispatch import Dispatcher
from tollkeeper_server.dataplane.call.health import Health
from tollkeeper_server.dataplane.call.retry import RetryBudget
from tollkeeper_server.dataplane.exchange import ClientGoneError, Exchange
from tollkeeper_server.dataplane.plan import Plan, Planner
from tollkeeper_server.dataplane.plane import DataPlane
from tollkeeper_server.dataplane.request.authenticate import Authenticator, Identity
from tollkeeper_server.dataplane.request.endpoint import match
from tollkeeper_server.dataplane.request.ip_limit import IpLimits
from tollkeeper_server.dataplane.request.limits import Limits
from tollkeeper_server.dataplane.request.peek import NO_PEEK, Peek
from tollkeeper_server.dataplane.route import Destination
from tollkeeper_server.dataplane.transport import ConnectError, CutError, Outgoing
from tollkeeper_server.domain.model import Capability
from tollkeeper_server.domain.token import Token, digest_secret
from tollkeeper_server.domain.traffic import TrafficPolicy
from tollkeeper_server.domain.upstream import Provider, Timeouts
from tollkeeper_server.domain.usage import Intent, UsageEvent
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.providers.registry import PROVIDERS
from tollkeeper_server.snapshot.compile import make_member, make_pool, pool_of_one
from tollkeeper_server.snapshot.model import Header, Pool, PoolMember, ProjectView, Route, Snapshot, Target
from tollkeeper_server.telemetry.metrics import Metrics

SECRET = b"sk-tk-caller-canary-0123456789"
PROVIDER_KEY = b"sk-provider-canary-0123456789"
PROJECT_KEY = "sk-project-canary-0123456789"
DIGEST_KEY = b"k" * 32
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DEADLINE = 20.0


class Clock:
    """A monotonic clock that stands still until it is set on."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Tells the time in seconds."""
        return self.now


def target(name: str = "openai", provider: Provider = Provider.OPENAI, **changes: Any) -> Target:
    """Returns an upstream that presents PROVIDER_KEY."""
    fields: dict[str, Any] = {
        "base_url": "http://upstream.test/v1",
        "full_url": "",
        "api_version": "",
        "credential": ((b"authorization", b"Bearer " + PROVIDER_KEY),),
        "headers": (),
        "fallback_headers": (),
        "timeouts": Timeouts(),
        **changes,
    }
    return Target(name=name, provider=PROVIDERS[provider], **fields)


AZURE = target(
    "azure",
    Provider.AZURE,
    base_url="http://azure.test",
    api_version="2024-10-21",
    credential=((b"api-key", PROVIDER_KEY),),
)
ANTHROPIC = target(
    "anthropic",
    Provider.ANTHROPIC,
    base_url="http://anthropic.test/v1",
    credential=((b"x-api-key", PROVIDER_KEY),),
    fallback_headers=((b"anthropic-version", b"2023-06-01"),),
)


def member_on(upstream: Target, upstream_model: str = "", weight: int = 1, **policy: Any) -> PoolMember:
    """Returns a deployment on an upstream, called by a policy with these fields."""
    return make_member(upstream, upstream_model, weight, TrafficPolicy(**policy))


def pool(*members: PoolMember, name: str = "pool", **policy: Any) -> Pool:
    """Returns a group of these, called by a policy with these fields."""
    return make_pool(f"group/{name}", name, name, members, TrafficPolicy(**policy))


def route(name: str, *members: PoolMember, capabilities: Sequence[Capability] = (), **fields: Any) -> Route:
    """Returns a model served by these deployments."""
    own = make_pool(f"model/{name}", name, "", members, fields.pop("policy", TrafficPolicy()))
    return Route(name=name, capabilities=frozenset(capabilities), pool=own, created_at=NOW, **fields)


def snapshot(
    *routes: Route,
    aliases: dict[str, str] | None = None,
    default: Target | None = None,
    project: ProjectView | None = None,
    **fields: Any,
) -> Snapshot:
    """Returns a configuration with these models and the project `prj_1`."""
    by_name = {r.name: r for r in routes if not r.is_pattern}
    own = project or ProjectView(id="prj_1", is_active=True, api_key=None)
    return Snapshot(
        revision=1,
        projects={own.id: own},
        routes=by_name | {alias: by_name[name] for alias, name in (aliases or {}).items()},
        patterns=tuple(sorted((r for r in routes if r.is_pattern), key=lambda r: -len(r.name))),
        default=pool_of_one(default) if default is not None else None,
        **fields,
    )


def snapshot_of(*targets: Target, groups: Sequence[Pool] = ()) -> Snapshot:
    """Returns a configuration with these upstreams and groups."""
    return Snapshot(
        revision=1,
        projects={},
        routes={},
        patterns=(),
        default=None,
        groups={group.name: group for group in groups},
        targets={upstream.name: upstream for upstream in targets},
    )


def token(**changes: Any) -> Token:
    """Returns the token that SECRET is the secret of."""
    fields: dict[str, Any] = {
        "id": "tok_1",
        "project_id": "prj_1",
        "digest": digest_secret(SECRET, DIGEST_KEY),
        "hint": "sk-tk-ca...6789",
        "created_at": NOW,
        "updated_at": NOW,
        **changes,
    }
    return Token(**fields)


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


class Recorder:
    """A journal that keeps what it is told, in order."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.begun: list[Intent] = []
        self.settled: list[UsageEvent] = []

    def begin(self, intent: Intent) -> None:
        """As the journal does."""
        self.order.append("begin")
        self.begun.append(intent)

    def settle(self, event: UsageEvent) -> None:
        """As the port says."""
        self.order.append("settle")
        self.settled.append(event)

    @property
    def only(self) -> UsageEvent:
        """The one event that was settled."""
        (event,) = self.settled
        return event


Step = bytes | BaseException | asyncio.Event


@dataclass
class Answer:
    """An upstream's answer by script: chunks, an error to raise, or an event to wait for."""

    steps: Sequence[Step] = ()
    status: int = 200
    headers: list[Header] = field(default_factory=lambda: [(b"Content-Type", b"application/json")])
    closed: int = 0
    opened: bool = False
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a step that waits was reached."""
    going: AsyncIterator[bytes] | None = None

    def chunks(self) -> AsyncIterator[bytes]:
        """Goes through the steps, on from where it was left."""
        if self.going is None:
            self.going = self._go()
        return self.going

    async def _go(self) -> AsyncIterator[bytes]:
        for step in self.steps:
            match step:
                case bytes():
                    yield step
                case asyncio.Event():
                    self.reached.set()
                    await step.wait()
                case _:
                    raise step

    def whole_body(self) -> bytes | None:
        """Returns the body if nothing else comes in between."""
        whole = [step for step in self.steps if isinstance(step, bytes)]
        return b"".join(whole) if len(whole) == len(self.steps) else None

    async def pour(self, take: Callable[[bytes], bool]) -> bool:
        """Goes through the steps, on from where it was left."""
        async for chunk in self.chunks():
            if not take(chunk):
                return False
        return True

    def close(self) -> None:
        """Counts."""
        self.closed += 1


class Taker:
    """A caller on the data listener: what it is sent comes into a list of ASGI messages.

    It takes no more after each part, until it is asked whether it does.
    """

    def __init__(self, sent: list[dict[str, object]]) -> None:
        self.sent = sent
        self.waited = 0
        self.headers_checked = False
        task = asyncio.current_task()
        assert task is not None
        self.task: asyncio.Task[None] = task

    def whole_body(self) -> bytes | None:
        """Tells that the body has not come yet."""
        return None

    def answer(self, status: int, headers: list[Header], body: bytes) -> None:
        """Keeps an answer as the two messages that it would have been."""
        self.sent.append({"type": "http.response.start", "status": status, "headers": headers})
        self.sent.append({"type": "http.response.body", "body": body, "more_body": False})

    def write_part(self, part: bytes) -> bool:
        """Keeps a part."""
        if part:
            self.sent.append({"type": "http.response.body", "body": part, "more_body": True})
        return not part

    async def ready(self) -> None:
        """Counts."""
        self.waited += 1

    def when_gone(self, call: Callable[[], None] | None) -> None:
        """Stays."""


class ScriptedTransport:
    """Answers with what it was given, and keeps what it was asked."""

    def __init__(self, journal: Recorder) -> None:
        self.journal = journal
        self.answer: Answer | BaseException | asyncio.Event = Answer()
        self.answers: dict[str, list[Answer | BaseException]] = {}
        """What hosts answer, one after the other; the last of it again and again."""
        self.requests: list[Outgoing] = []
        self.bodies: list[bytes] = []
        self.waiting = asyncio.Event()
        self.cancelled = False

    async def open(self, request: Outgoing) -> Answer:
        """Reads the body and answers."""
        self.journal.order.append("open")
        self.requests.append(request)
        following = self._next(request)
        if isinstance(request.body, bytes):
            self.bodies.append(request.body)
        elif not isinstance(following, ConnectError):  # before a connection nothing of the body is read
            pieces: list[bytes] = []
            self.bodies.append(b"")
            try:
                async for piece in request.body:
                    pieces.append(piece)
                    self.bodies[-1] = b"".join(pieces)
            except (TollkeeperError, ClientGoneError) as error:  # as real ones say it
                raise CutError("the connection to the upstream broke") from error
        if isinstance(following, Answer):
            return following
        if isinstance(following, BaseException):
            raise following
        self.waiting.set()
        try:
            await following.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        raise AssertionError("nothing follows the wait")

    def _next(self, request: Outgoing) -> Answer | BaseException | asyncio.Event:
        script = self.answers.get(urlsplit(request.url).hostname or "", [])
        following = (script.pop(0) if len(script) > 1 else script[0]) if script else self.answer
        if isinstance(following, Answer):
            if following.opened:
                return replace(following, going=None)
            following.opened = True
        return following

    @property
    def hosts(self) -> list[str]:
        """The hosts that were asked, in order."""
        return [urlsplit(request.url).hostname or "" for request in self.requests]

    async def close(self) -> None:
        """Nothing is open."""

    @property
    def only(self) -> Outgoing:
        """The one request that was sent."""
        (request,) = self.requests
        return request


@dataclass
class Reply:
    """What a caller was sent."""

    messages: list[dict[str, Any]]

    @property
    def status(self) -> int:
        """The status."""
        status: int = self.messages[0]["status"]
        return status

    @property
    def headers(self) -> dict[bytes, bytes]:
        """The headers, of which none may come twice."""
        pairs: list[Header] = self.messages[0]["headers"]
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    @property
    def chunks(self) -> list[bytes]:
        """The pieces of the body that are not empty."""
        return [m["body"] for m in self.messages[1:] if m.get("body")]

    @property
    def body(self) -> bytes:
        """The body."""
        return b"".join(self.chunks)

    @property
    def ended(self) -> bool:
        """Whether the answer was ended, exactly once and at the end."""
        ends = [not m.get("more_body", False) for m in self.messages[1:]]
        return ends.count(True) == 1 and ends[-1]


class Caller:
    """One request to the plane: its scope, what of its body comes when, and when it leaves."""

    def __init__(
        self,
        method: str = "POST",
        path: str = "/v1/chat/completions",
        body: bytes | Sequence[bytes] = b"",
        headers: Sequence[Header] = (),
        *,
        secret: bytes | None = SECRET,
        query: bytes = b"",
        http_version: str = "1.1",
        declare: bool = True,
        json: bool = True,
    ) -> None:
        pieces = [body] if isinstance(body, bytes) else list(body)
        size = sum(map(len, pieces))
        sent = [(b"host", b"gateway.test"), *headers]
        if secret is not None:
            sent.append((b"authorization", b"Bearer " + secret))
        if json and not any(name == b"content-type" for name, _ in headers):
            sent.append((b"content-type", b"application/json"))
        if declare and size:
            sent.append((b"content-length", str(size).encode()))
        elif size:
            sent.append((b"transfer-encoding", b"chunked"))
        self.scope: dict[str, Any] = {
            "type": "http",
            "http_version": http_version,
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query,
            "headers": sent,
        }
        self._inbox: list[dict[str, Any]] = [
            {"type": "http.request", "body": piece, "more_body": at < len(pieces)}
            for at, piece in enumerate(pieces, start=1)
        ]
        self.left = asyncio.Event()
        self.sent: list[dict[str, Any]] = []
        self.on_send: Callable[[dict[str, Any]], Awaitable[None]] | None = None
        self.unread_at_end = 0

    async def _receive(self) -> dict[str, Any]:
        if self._inbox:
            return self._inbox.pop(0)
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.sent.append(dict(message))
        if self.on_send is not None:
            await self.on_send(self.sent[-1])

    async def call(self, plane: DataPlane) -> Reply:
        """Sends the request; returns what was answered."""
        async with asyncio.timeout(DEADLINE):
            await plane(self.scope, self._receive, self._send)
        self.unread_at_end = len(self._inbox)
        return Reply(self.sent)

    @property
    def started(self) -> bool:
        """Whether the answer's head came."""
        return bool(self.sent)


class Kept:
    """Placements in a dict."""

    def __init__(self) -> None:
        self.upstreams: dict[str, str] = {}
        self.projects: dict[str, str] = {}

    async def find(self, one: str) -> str | None:
        """Returns where it is."""
        return self.upstreams.get(one)

    async def remember(self, one: str, upstream: str, project_id: str) -> None:
        """Keeps where it is."""
        self.upstreams[one] = upstream
        self.projects[one] = project_id


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
        self.plane = DataPlane(
            current=lambda: self.snapshot,
            planner=Planner(
                check_ip=IpLimits(time.monotonic, self.metrics.rate_limited).check,
                authenticate=self.authenticator.authenticate,
                affinity=self.affinity,
                admit=self._admit,
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
        """Returns the configuration as it is."""
        return self.snapshot

    async def _admit(self, known: Token) -> bool:
        self.admissions.append(known.id)
        return self.admitted

    def answers(self, *steps: Step, status: int = 200, kind: bytes = b"application/json") -> Answer:
        """Sets what the upstream answers."""
        self.transport.answer = Answer(steps, status, [(b"Content-Type", kind)])
        return self.transport.answer

    def streams(self, *steps: Step) -> Answer:
        """Sets the event stream that the upstream answers with."""
        return self.answers(*steps, kind=b"text/event-stream; charset=utf-8")


async def _nothing() -> dict[str, Any]:
    raise AssertionError("nothing is to be received")


async def _nowhere(message: Any) -> None:
    raise AssertionError("nothing is to be sent")


def exchange(
    path: str = "/v1/chat/completions",
    method: str = "POST",
    headers: Sequence[Header] = (),
    *,
    query: bytes = b"",
    configuration: Snapshot | None = None,
    http_version: str = "1.1",
    limits: Limits = Limits(),  # noqa: B008 - it is frozen
) -> Exchange:
    """Returns an exchange whose endpoint and caller are known."""
    scope = {
        "type": "http",
        "http_version": http_version,
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": list(headers),
    }
    made = Exchange(scope, _nothing, _nowhere, configuration or snapshot(), limits)
    made.endpoint = match(path.encode(), method).endpoint
    made.token_id, made.project_id = "tok_1", "prj_1"
    return made


def planned(
    path: str = "/v1/chat/completions",
    peek: Peek = NO_PEEK,
    body: bytes = b"",
    *,
    query: bytes = b"",
    configuration: Snapshot | None = None,
    known: Token | None = None,
) -> tuple[Exchange, Plan]:
    """Returns the exchange of a POST, and a plan of it that leads nowhere."""
    made = exchange(path, query=query, configuration=configuration)
    identity = Identity(known or token(), made.snapshot.projects["prj_1"])
    plan = Plan(match(path.encode(), "POST"), identity, peek, body, Destination(pool()), remembers=False)
    return made, plan
