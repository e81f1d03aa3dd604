"""Builds the data plane out of its parts."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tollkeeper_server.coordination.ports import Placements
from tollkeeper_server.dataplane.affinity import Affinity
from tollkeeper_server.dataplane.call.balance import Balancer
from tollkeeper_server.dataplane.call.dispatch import Dispatcher
from tollkeeper_server.dataplane.call.health import Health
from tollkeeper_server.dataplane.call.prober import Prober
from tollkeeper_server.dataplane.call.retry import RetryBudget
from tollkeeper_server.dataplane.explain import Explainer
from tollkeeper_server.dataplane.plane import DataPlane, Limits
from tollkeeper_server.dataplane.request.authenticate import Authenticator
from tollkeeper_server.dataplane.transport import Transport
from tollkeeper_server.ledger.journal import Journal
from tollkeeper_server.settings import Settings
from tollkeeper_server.snapshot.model import Snapshot
from tollkeeper_server.store.ports import TokenStore
from tollkeeper_server.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Traffic:
    """The data plane, and what else goes by the health of upstreams."""

    plane: DataPlane
    health: Health
    balancer: Balancer
    prober: Prober
    explainer: Explainer

    def follow(self, snapshot: Snapshot) -> None:
        """Takes over a new configuration."""
        self.health.follow(snapshot)
        self.balancer.follow(snapshot)
        self.prober.follow(snapshot)


def build_traffic(
    current: Callable[[], Snapshot],
    *,
    authenticator: Authenticator,
    tokens: TokenStore,
    placements: Placements,
    transport: Transport,
    journal: Journal,
    metrics: Metrics,
    settings: Settings,
) -> Traffic:
    """Returns the data plane on these parts."""
    random = Random()  # noqa: S311 - spreads load, keeps no secret
    health = Health(time.monotonic, metrics.breaker_changed)
    balancer = Balancer(health, random)
    affinity = Affinity(placements)
    dispatcher = Dispatcher(
        transport,
        health,
        balancer,
        RetryBudget(time.monotonic),
        metrics,
        random,
        lambda exchange: journal.begin(exchange.intent()),
    )
    plane = DataPlane(
        current=current,
        authenticator=authenticator,
        admit=lambda token_id, at: tokens.admit(token_id, at=at),
        dispatcher=dispatcher,
        affinity=affinity,
        journal=journal,
        metrics=metrics,
        limits=Limits(max_body=settings.max_body_bytes, max_upload=settings.max_upload_bytes),
    )
    return Traffic(
        plane=plane,
        health=health,
        balancer=balancer,
        prober=Prober(transport, health),
        explainer=Explainer(current, authenticator, tokens.get, affinity, health, balancer),
    )
