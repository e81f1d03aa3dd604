"""A management plane on a real store, called without a door."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from tollkeeper.messages import fill
from tollkeeper.v1 import (
    group_service_pb2,
    listener_service_pb2,
    model_service_pb2,
    project_service_pb2,
    token_service_pb2,
    upstream_service_pb2,
)
from tollkeeper_server.coordination.local import LocalChanges
from tollkeeper_server.coordination.ports import Change
from tollkeeper_server.domain.connect_failure import ConnectFailure
from tollkeeper_server.domain.explanation import Explanation, Query
from tollkeeper_server.domain.token import Token
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.ledger.local import LocalLedger
from tollkeeper_server.management.chain.chain import Call, Chain, in_hand
from tollkeeper_server.management.chain.registry import methods
from tollkeeper_server.management.chain.streams import Streams
from tollkeeper_server.management.services import make_chain
from tollkeeper_server.management.sessions import Sessions
from tollkeeper_server.management.status_feed import StatusFeed
from tollkeeper_server.management.usage_feed import UsageFeed
from tollkeeper_server.management.usage_names import Directory
from tollkeeper_server.management.watching import HEARTBEAT_SECONDS
from tollkeeper_server.process.pricer import SnapshotPricer
from tollkeeper_server.process.standings import LedgerStandings
from tollkeeper_server.snapshot.model import EMPTY, Snapshot
from tollkeeper_server.store.sealed import Sealer, new_key
from tollkeeper_server.store.sqlite.store import SqliteStore
from tollkeeper_server.store.sqlite.tokens import SqliteTokens

from tests.unit.clock import Calendar
from tests.unit.management.called import Called
from tests.unit.management.observed import Observed

MANAGEMENT_TOKEN = "the-management-token-of-tests"
DIGEST_KEY = bytes(range(32))

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)

Answer = TypeVar("Answer", bound=Message)

BY_REQUEST: dict[str, MethodDescriptor] = {method.input_type.full_name: method for method in methods()}


async def _no_explanation(query: Query) -> Explanation:
    raise AssertionError("these tests ask for none")


@dataclass
class Plane:
    """The chain and what it works on. `told` is every change it published.

    `ports` are the addresses that can't be listened on, each with the reason, `tls_problem` is why none can
    speak TLS. By `snapshot` it knows what models cost.
    """

    store: SqliteStore
    clock: Calendar = field(default_factory=lambda: Calendar(NOON))
    sealer: Sealer = field(default_factory=lambda: Sealer(new_key()))
    changes: LocalChanges = field(default_factory=LocalChanges)
    told: list[Change] = field(default_factory=list)
    ports: dict[str, str] = field(default_factory=dict)
    connect_failures: dict[str, ConnectFailure] = field(default_factory=dict)
    tls_problem: str | None = None
    observed: Observed = field(default_factory=Observed)
    called: Called = field(default_factory=Called)
    status_feed: StatusFeed | None = None
    usage_feed: UsageFeed | None = None
    streams: Streams = field(default_factory=Streams)
    snapshot: Snapshot = EMPTY
    ledger: LocalLedger = field(default_factory=lambda: LocalLedger(lambda: 0))
    _sessions: Sessions | None = None

    @property
    def sessions(self) -> Sessions:
        """Who has signed in; the clock is the plane's, and streams look often whether theirs goes on."""
        if self._sessions is None:
            self._sessions = Sessions(
                self.store.sessions, DIGEST_KEY, MANAGEMENT_TOKEN, self.clock, look_seconds=0.02
            )
        return self._sessions

    @property
    def standings(self) -> LedgerStandings:
        """How limits stand, by the plane's ledger and clock."""
        return LedgerStandings(self.ledger, self.now, lambda: self.snapshot, self.store.tokens)

    def now(self) -> int:
        """Return the time of the plane's clock, in microseconds."""
        return int(self.clock().timestamp()) * 1_000_000

    def __post_init__(self) -> None:
        self.changes.subscribe(self._note)

    async def _note(self, change: Change) -> None:
        self.told.append(change)

    def chain(self) -> Chain:
        """Return the management plane."""
        return make_chain(
            store=self.store,
            sealer=self.sealer,
            digest_key=DIGEST_KEY,
            changes=self.changes,
            management_token=MANAGEMENT_TOKEN,
            sessions=self.sessions,
            clock=self.clock,
            port_check=self.ports.get,
            tls_problem=self.tls_problem,
            explain=_no_explanation,
            connect_failure=self.connect_failures.get,
            caller=self.called,
            observer=self.observed,
            pricer=SnapshotPricer(lambda: self.snapshot, self.clock),
            standings=self.standings,
            status_feed=self.status_feed or StatusFeed(self.observed, interval=0.02),
            usage_feed=self.usage_feed or self.feed(interval=0.02),
            streams=self.streams,
        )

    def feed(
        self, *, interval: float = 0.01, heartbeat: float = HEARTBEAT_SECONDS, kept: int = 100
    ) -> UsageFeed:
        """Return a feed of the store's usage that looks often."""
        directory = Directory(self.store.configuration, self.store.tokens)
        return UsageFeed(self.store.usage, directory, interval=interval, heartbeat=heartbeat, kept=kept)

    async def call(
        self, request: Message, expected: type[Answer], *, request_id: str = "req-of-test"
    ) -> Answer:
        """Call the method that takes such a request, as the admin."""
        answer = await self.chain().invoke(make_call(request, request_id=request_id), in_hand(request))
        assert isinstance(answer, expected)
        return answer

    async def refuse(self, request: Message, reason: Reason, *, field: str | None = None) -> TollkeeperError:
        """Make a call that has to fail for that reason, naming that field."""
        with pytest.raises(TollkeeperError) as caught:
            await self.chain().invoke(make_call(request), in_hand(request))
        assert (reason, field) == (caught.value.reason, caught.value.field), caught.value.message
        return caught.value

    async def project(self, name: str = "Search", **fields: str) -> project_service_pb2.Project:
        """Make a project."""
        request = fill(project_service_pb2.CreateProjectRequest(), name=name, **fields)
        return (await self.call(request, project_service_pb2.CreateProjectResponse)).project

    async def deactivate(self, project_id: str) -> None:
        """Deactivates a project."""
        await self.call(
            project_service_pb2.UpdateProjectRequest(id=project_id, is_active=False),
            project_service_pb2.UpdateProjectResponse,
        )

    async def mint(self, project_id: str) -> token_service_pb2.CreateTokenResponse:
        """Mint a token."""
        return await self.call(
            token_service_pb2.CreateTokenRequest(project_id=project_id),
            token_service_pb2.CreateTokenResponse,
        )

    async def token(self, token_id: str) -> token_service_pb2.Token:
        """Read a token."""
        request = token_service_pb2.GetTokenRequest(id=token_id)
        return (await self.call(request, token_service_pb2.GetTokenResponse)).token

    async def upstream(
        self, name: str = "openai", *, is_default: bool = False
    ) -> upstream_service_pb2.Upstream:
        """Make an upstream of OpenAI's."""
        request = upstream_service_pb2.CreateUpstreamRequest(
            name=name, provider=upstream_service_pb2.PROVIDER_OPENAI, is_default=is_default
        )
        return (await self.call(request, upstream_service_pb2.CreateUpstreamResponse)).upstream

    async def group(self, name: str = "all", *upstreams: str) -> group_service_pb2.Group:
        """Make a group, of the upstream `openai` unless others are named."""
        members = [group_service_pb2.Member(upstream=it) for it in upstreams or ("openai",)]
        request = group_service_pb2.CreateGroupRequest(name=name, members=members)
        return (await self.call(request, group_service_pb2.CreateGroupResponse)).group

    async def listener(
        self, name: str = "tenant", address: str = "127.0.0.1:3001", *, default_group: str = ""
    ) -> listener_service_pb2.Listener:
        """Make a listener."""
        request = listener_service_pb2.CreateListenerRequest(
            name=name, address=address, default_group=default_group
        )
        return (await self.call(request, listener_service_pb2.CreateListenerResponse)).listener

    async def model(self, name: str, *aliases: str, upstream: str = "openai") -> model_service_pb2.Model:
        """Make a model."""
        request = model_service_pb2.CreateModelRequest(
            name=name, aliases=aliases, deployments=[model_service_pb2.Deployment(upstream=upstream)]
        )
        return (await self.call(request, model_service_pb2.CreateModelResponse)).model


def make_call(
    request: Message,
    *,
    metadata: Mapping[str, str] | None = None,
    deadline: float | None = None,
    request_id: str = "req-of-test",
) -> Call:
    """Return a call of the method that takes such a request; without metadata, the admin's."""
    return Call(
        method=BY_REQUEST[request.DESCRIPTOR.full_name],
        request_id=request_id,
        metadata={"authorization": f"Bearer {MANAGEMENT_TOKEN}"} if metadata is None else metadata,
        deadline=deadline,
    )


class SlowTokens(SqliteTokens):
    """Real tokens of a store that holds one write of them until it is let go."""

    def __init__(self, store: SqliteStore) -> None:
        super().__init__(store._connection)
        self.entered = asyncio.Event()
        self.let_go = asyncio.Event()

    async def replace(self, token: Token, *, expected: int) -> bool:
        """Wait, then writes."""
        self.entered.set()
        await self.let_go.wait()
        return await super().replace(token, expected=expected)
