"""The data plane's transport, on connections that are kept."""

import asyncio

from tollkeeper_server.dataplane.transport import Incoming, Outgoing, Whole
from tollkeeper_server.http1.client.connect import Connector
from tollkeeper_server.http1.client.pool import ConnectionPool
from tollkeeper_server.http1.client.refused_certificate import STATUSES, check_certificate_accepted
from tollkeeper_server.http1.client.request import parse_base, request_head, split_url
from tollkeeper_server.http1.client.tls import client_context
from tollkeeper_server.http1.pace import ReadPace
from tollkeeper_server.snapshot.model import Dial

KEEPALIVE_SECONDS = 30.0
MAX_AGE_SECONDS = 300.0
"""The most that a connection takes new requests for: within this time an upstream's new address is used."""
DIAL_SECONDS = 3600.0
"""How long what a dial needs is kept after its last connection: authorities, and sessions to resume."""


class Http1Transport:
    """Keeps connections alive; follows no redirects, decodes nothing, keeps no cookies, sends nothing twice.

    What goes wrong once a request was written to a connection is told, also if the connection was a kept one:
    the upstream may have acted on the request, so whether it is sent again is a matter of policy.
    A dial's proxy is asked by CONNECT for a way to the upstream, whatever its scheme. A connection serves
    requests of equal dials only. `limit` is the most connections to one upstream by one dial; more requests
    wait, as long as connecting may take. Needs a running loop.
    """

    def __init__(
        self,
        *,
        limit: int = 0,
        keepalive: float = KEEPALIVE_SECONDS,
        max_age: float = MAX_AGE_SECONDS,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._tls = client_context()
        self._pace = ReadPace()
        self._limit = limit
        self._keepalive = keepalive
        self._max_age = max_age
        # The key is the base of the URL, with the key of the dial unless that is the default.
        self._pools: dict[str | tuple[str, str], ConnectionPool] = {}
        self._connectors: dict[str, Connector] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    async def open(self, request: Outgoing) -> Incoming:
        base, target = split_url(request.url)
        key = request.dial.key
        pool = self._pools.get((base, key) if key else base) or self._pool(base, request.dial)
        head = request_head(request, target, pool.address.authority)
        timeouts = request.timeouts
        now = self._loop.time()
        end = now + timeouts.total
        # A kept connection may be closed just then, and a body that streams can't be sent again.
        streams = not isinstance(request.body, Whole)
        connection = None if streams else pool.take()
        if connection is None:
            connection = await pool.get(min(timeouts.connect, timeouts.total), new=streams)
            now = self._loop.time()
        answer = connection.begin(request, head, now, end)
        await answer.head()
        if answer.status in STATUSES and pool.address.tls:
            await check_certificate_accepted(answer, request)
        return answer

    def _pool(self, base: str, dial: Dial) -> ConnectionPool:
        address = parse_base(base)
        connector = self._connectors.get(dial.key)
        if connector is None:
            connector = self._connectors[dial.key] = Connector(self._loop, self._tls, dial)
        pool = ConnectionPool(
            address,
            connector.connect,
            limit=self._limit,
            keepalive=self._keepalive,
            max_age=self._max_age,
            loop=self._loop,
            pace=self._pace,
        )
        if self._closed:
            pool.shut()
            return pool
        self._pools[(base, dial.key) if dial.key else base] = pool
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(self._keepalive, self._sweep)
        return pool

    def _sweep(self) -> None:
        for place, pool in list(self._pools.items()):
            pool.sweep()
            if pool.is_unused:
                del self._pools[place]
        used = {"" if isinstance(place, str) else place[1] for place in self._pools}
        now = self._loop.time()
        for key, connector in list(self._connectors.items()):
            if key in used:
                connector.used_at = now
            elif now - connector.used_at >= DIAL_SECONDS:
                del self._connectors[key]
        is_idle = not (self._pools or self._connectors)
        self._sweeper = None if is_idle else self._loop.call_later(self._keepalive, self._sweep)

    async def close(self) -> None:
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        await asyncio.gather(*(pool.close() for pool in self._pools.values()))
