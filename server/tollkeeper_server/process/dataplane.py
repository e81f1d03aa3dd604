"""Builds the data plane of its parts."""

import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from tollkeeper_server.coordination.deadline import in_time
from tollkeeper_server.coordination.open import Coordination
from tollkeeper_server.dataplane.admission import Admitter
from tollkeeper_server.dataplane.affinity import Affinity
from tollkeeper_server.dataplane.budget.demanding import Asking
from tollkeeper_server.dataplane.budget.forecast import Forecast
from tollkeeper_server.dataplane.budget.reservations import Reservations
from tollkeeper_server.dataplane.budget.thresholds import Thresholds
from tollkeeper_server.dataplane.call.balance import Balancer
from tollkeeper_server.dataplane.call.dispatch import Dispatcher
from tollkeeper_server.dataplane.call.expiry import ExpiryWatch
from tollkeeper_server.dataplane.call.health import Health
from tollkeeper_server.dataplane.call.kept_models import KeptModels
from tollkeeper_server.dataplane.call.model_lists import ModelLists
from tollkeeper_server.dataplane.call.notices import Notices
from tollkeeper_server.dataplane.call.prober import Prober
from tollkeeper_server.dataplane.call.retry import RetryBudget
from tollkeeper_server.dataplane.call.tester import UpstreamTester
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.explain import Explainer
from tollkeeper_server.dataplane.plan import Plan, Planner
from tollkeeper_server.dataplane.plane import DataPlane
from tollkeeper_server.dataplane.request.authenticate import Authenticator
from tollkeeper_server.dataplane.request.ip_limit import IpLimits
from tollkeeper_server.dataplane.request.limits import Limits
from tollkeeper_server.dataplane.request.room import BodyRoom
from tollkeeper_server.dataplane.route import Destination
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.http1.client.dialler import Dialler
from tollkeeper_server.http1.client.transport import Http1Transport
from tollkeeper_server.ledger.local import LocalLedger
from tollkeeper_server.process.ledger import Accounting
from tollkeeper_server.process.upkeep import Upkeep
from tollkeeper_server.process.upstream_caller import DataPlaneCaller
from tollkeeper_server.settings import DiskFull, Settings
from tollkeeper_server.snapshot.model import Snapshot, Target
from tollkeeper_server.snapshot.watch import SnapshotWatch
from tollkeeper_server.store.ports import TokenStore
from tollkeeper_server.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class DataPlaneParts:
    """The data plane, and what other parts of the server ask of it."""

    plane: DataPlane
    explainer: Explainer
    health: Health
    caller: DataPlaneCaller
    ip_limits: IpLimits


def build_data_plane(
    stack: AsyncExitStack,
    settings: Settings,
    *,
    tokens: TokenStore,
    digest_key: bytes,
    watch: SnapshotWatch,
    coordination: Coordination,
    accounting: Accounting,
    thresholds: Thresholds,
    metrics: Metrics,
    background: bool,
    target_of: Callable[[Upstream], Target],
) -> DataPlaneParts:
    """Return the data plane on these parts, which follows the watch's snapshots.

    Unless it does what is to be done once (`background`), another process probes upstreams and warns of
    certificates. `target_of` compiles an upstream that need not be saved.
    """

    def current() -> Snapshot:
        return watch.current

    transport = Http1Transport()
    stack.push_async_callback(transport.close)
    random = Random()  # noqa: S311 - spreads load, keeps no secret
    notices = Notices(metrics, time.monotonic)
    health = Health(time.monotonic, notices.breaker_changed, notices.connecting)
    balancer = Balancer(health, random)
    prober = Prober(transport, health)
    stack.push_async_callback(prober.close)
    expiry = ExpiryWatch(lambda: datetime.now(UTC))
    stack.callback(expiry.close)
    model_lists = ModelLists(transport, metrics, health, time.monotonic)
    stack.push_async_callback(model_lists.close)
    affinity = Affinity(coordination.placements, shared=settings.share_kept)
    authenticator = Authenticator(
        coordination.tokens, digest_key, tokens.get, lambda: in_time(watch.load()), lambda: datetime.now(UTC)
    )

    journal, ledger, ledger_clock = accounting.journal, accounting.ledger, accounting.clock

    counts_on = settings.disk_full is DiskFull.COUNT

    def begin(exchange: Exchange) -> bool:
        may_wait = counts_on or exchange.holding is None
        return journal.begin(exchange.intent(), may_wait=may_wait) or may_wait

    reservations = Reservations(ledger, ledger_clock, metrics, thresholds, begin, settings.default_max_output)
    if isinstance(ledger, LocalLedger):  # the one that is shared looks after itself
        upkeep = Upkeep(ledger, ledger_clock, reservations)
        upkeep.start()
        stack.callback(upkeep.close)

    def reserve(exchange: Exchange, plan: Plan, destination: Destination) -> Awaitable[Destination | None]:
        asking = Asking(None, plan.identity, destination, plan.body, is_json=plan.peek.is_json)
        return reservations.fall_back(exchange, asking)

    dispatcher = Dispatcher(
        transport,
        health,
        balancer,
        RetryBudget(time.monotonic),
        metrics,
        random,
        begin,
        reserve,
    )
    ip_limits = IpLimits(time.monotonic, metrics.rate_limited)
    limits = Limits(max_body=settings.max_body_bytes, max_upload=settings.max_upload_bytes)
    planner = Planner(
        check_ip=ip_limits.check,
        authenticate=authenticator.authenticate,
        affinity=affinity,
        admit=Admitter(tokens, lambda: datetime.now(UTC)).admit,
        budget=reservations,
        model_lists=model_lists.of,
    )
    plane = DataPlane(
        current=current,
        planner=planner,
        reservations=reservations,
        dispatcher=dispatcher,
        kept_models=KeptModels(dispatcher, affinity.check_bodies, reservations.hold_lines),
        placements=coordination.placements,
        journal=journal,
        metrics=metrics,
        limits=limits,
        room=BodyRoom(settings.max_bodies_bytes // max(settings.workers, 1), settings.max_body_bytes),
        tells_cost=settings.cost_header,
    )

    def follow(snapshot: Snapshot) -> None:
        health.follow(snapshot)
        balancer.follow(snapshot)
        model_lists.follow(snapshot)
        if background:
            prober.follow(snapshot)
            expiry.follow(snapshot)

    watch.subscribe(follow)
    explainer = Explainer(
        current,
        authenticator,
        tokens.get,
        affinity,
        health,
        balancer,
        limits,
        model_lists,
        Forecast(reservations, ledger, ledger_clock),
    )
    tester = UpstreamTester(Dialler(), transport)
    caller = DataPlaneCaller(tester, model_lists, current, target_of)
    return DataPlaneParts(plane, explainer, health, caller, ip_limits)
