"""Builds the data plane of its parts."""

import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from tollkeeper_server.coordination.deadline import in_time
from tollkeeper_server.coordination.open import Coordination
from tollkeeper_server.dataplane.admission import Admitter
from tollkeeper_server.dataplane.affinity import Affinity
from tollkeeper_server.dataplane.call.balance import Balancer
from tollkeeper_server.dataplane.call.dispatch import Dispatcher
from tollkeeper_server.dataplane.call.health import Health
from tollkeeper_server.dataplane.call.model_lists import ModelLists
from tollkeeper_server.dataplane.call.prober import Prober
from tollkeeper_server.dataplane.call.retry import RetryBudget
from tollkeeper_server.dataplane.explain import Explainer
from tollkeeper_server.dataplane.plan import Planner
from tollkeeper_server.dataplane.plane import DataPlane
from tollkeeper_server.dataplane.request.authenticate import Authenticator
from tollkeeper_server.dataplane.request.ip_limit import IpLimits
from tollkeeper_server.dataplane.request.limits import Limits
from tollkeeper_server.http1.client.transport import Http1Transport
from tollkeeper_server.ledger.journal import Journal
from tollkeeper_server.settings import Settings
from tollkeeper_server.snapshot.model import Snapshot
from tollkeeper_server.snapshot.watch import SnapshotWatch
from tollkeeper_server.store.ports import TokenStore
from tollkeeper_server.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class DataPlaneParts:
    """The data plane, and what other parts of the server ask of it."""

    plane: DataPlane
    explainer: Explainer
    health: Health


def build_data_plane(
    stack: AsyncExitStack,
    settings: Settings,
    *,
    tokens: TokenStore,
    digest_key: bytes,
    watch: SnapshotWatch,
    coordination: Coordination,
    journal: Journal,
    metrics: Metrics,
) -> DataPlaneParts:
    """Return the data plane on these parts, which follows the watch's snapshots."""

    def current() -> Snapshot:
        return watch.current

    transport = Http1Transport()
    stack.push_async_callback(transport.close)
    random = Random()  # noqa: S311 - spreads load, keeps no secret
    health = Health(time.monotonic, metrics.breaker_changed)
    balancer = Balancer(health, random)
    prober = Prober(transport, health)
    stack.push_async_callback(prober.close)
    model_lists = ModelLists(transport, metrics, time.monotonic)
    stack.push_async_callback(model_lists.close)
    affinity = Affinity(coordination.placements)
    authenticator = Authenticator(
        coordination.tokens, digest_key, lambda: in_time(watch.load()), lambda: datetime.now(UTC)
    )
    dispatcher = Dispatcher(
        transport,
        health,
        balancer,
        RetryBudget(time.monotonic),
        metrics,
        random,
        lambda exchange: journal.begin(exchange.intent()),
    )
    limits = Limits(max_body=settings.max_body_bytes, max_upload=settings.max_upload_bytes)
    planner = Planner(
        check_ip=IpLimits(time.monotonic, metrics.rate_limited).check,
        authenticate=authenticator.authenticate,
        affinity=affinity,
        admit=Admitter(tokens, lambda: datetime.now(UTC)).admit,
        model_lists=model_lists.of,
    )
    plane = DataPlane(
        current=current,
        planner=planner,
        dispatcher=dispatcher,
        affinity=affinity,
        journal=journal,
        metrics=metrics,
        limits=limits,
    )

    def follow(snapshot: Snapshot) -> None:
        health.follow(snapshot)
        balancer.follow(snapshot)
        prober.follow(snapshot)
        model_lists.follow(snapshot)

    watch.subscribe(follow)
    explainer = Explainer(current, authenticator, tokens.get, affinity, health, balancer, limits, model_lists)
    return DataPlaneParts(plane, explainer, health)
