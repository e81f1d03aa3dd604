"""Two projects on one gateway, before upstreams that keep what both make."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from tollkeeper_server.coordination.placements import PlacementCache
from tollkeeper_server.dataplane.transport import Transport
from tollkeeper_server.domain.token import Token, digest_secret
from tollkeeper_server.domain.upstream import Provider
from tollkeeper_server.snapshot.compile import pool_of_one
from tollkeeper_server.snapshot.model import Header, ProjectView, Snapshot
from tollkeeper_server.store.open import make_store

from tests.unit.dataplane.caller import Caller, Reply
from tests.unit.dataplane.configured import (
    DIGEST_KEY,
    SECRET,
    member_on,
    pool,
    route,
    snapshot,
    target,
    token,
)
from tests.unit.dataplane.gateway import Bench
from tests.unit.dataplane.keeper import Keeper, KeepersTransport

SECRETS = {"a": SECRET, "b": b"sk-tk-other-canary-0123456789"}
"""The tenants, and the secrets of their tokens."""
MODELS = ("gpt-4o", "claude", "sora")


def tokens(allowed_models: Sequence[str] = ()) -> list[Token]:
    """Return a token for each tenant."""
    return [
        token(
            id=f"tok_{name}",
            project_id=f"prj_{name}",
            digest=digest_secret(secret, DIGEST_KEY),
            allowed_models=tuple(allowed_models),
        )
        for name, secret in SECRETS.items()
    ]


def configuration(upstreams: int, *, has_default: bool = True) -> Snapshot:
    """Return one with that many upstreams, of which each serves every model, and by default anything else."""
    targets = [
        target(name, Provider.GENERIC, base_url=f"http://{name}.test/v1")
        for name in ("one", "two")[:upstreams]
    ]
    members = [member_on(it) for it in targets]
    made = snapshot(*(route(name, *members) for name in MODELS), targets={it.name: it for it in targets})
    everything = pool(*members, name="all") if upstreams > 1 else pool_of_one(targets[0])
    projects = {f"prj_{name}": ProjectView(f"prj_{name}", is_active=True, api_key=None) for name in SECRETS}
    return replace(made, default=everything if has_default else None, projects=projects)


class World:
    """A gateway, and what its upstreams keep."""

    def __init__(self, bench: Bench, keepers: dict[str, Keeper], placements: PlacementCache) -> None:
        self.bench = bench
        self.keepers = keepers
        self.placements = placements

    async def ask(
        self,
        tenant: str,
        method: str,
        path: str,
        body: bytes | object = b"",
        headers: Sequence[Header] = (),
        query: str = "",
    ) -> Reply:
        """Send a request for a tenant."""
        written = body if isinstance(body, bytes) else json.dumps(body).encode()
        caller = Caller(method, path, written, headers, secret=SECRETS[tenant], query=query.encode())
        return await caller.call(self.bench.plane)

    def kept_by(self, tenant: str) -> dict[str, str]:
        """Return all that upstreams keep and a tenant has made, as it is."""
        return {
            f"{keeper.name} {path}": thing
            for keeper in self.keepers.values()
            for path, thing in keeper.of(f"mark-of-{tenant}").items()
        }


@asynccontextmanager
async def gateway(
    store_url: str,
    upstreams: int,
    *,
    shares: bool = False,
    has_default: bool = True,
    allowed_models: Sequence[str] = (),
    transport: Transport | None = None,
) -> AsyncIterator[World]:
    """A gateway on a store, before that many upstreams: keepers, or what a transport leads to."""
    keepers = {name: Keeper(name, start=5000 * at) for at, name in enumerate(("one", "two")[:upstreams])}
    store = make_store(store_url, Path())
    await store.open()
    placements = PlacementCache(store.placements, None)
    try:
        yield World(
            Bench(
                configuration(upstreams, has_default=has_default),
                *tokens(allowed_models)[:1],
                others=tokens(allowed_models)[1:],
                transport=transport or KeepersTransport(**keepers),
                placements=placements,
                shares_kept=shares,
            ),
            keepers,
            placements,
        )
    finally:
        await placements.close()
        await store.close()
