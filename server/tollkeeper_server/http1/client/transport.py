"""The data plane's transport, on connections that are kept."""

import asyncio

from tollkeeper_server.dataplane.transport import Incoming, Outgoing
from tollkeeper_server.http1.client.connect import Connector
from tollkeeper_server.http1.client.pool import ConnectionPool
from tollkeeper_server.http1.client.request import parse_base, request_head, split_url
from tollkeeper_server.http1.client.tls import client_context
from tollkeeper_server.snapshot.model import Dial

KEEPALIVE_SECONDS = 30.0


class Http1Transport:
    """Keeps connections alive; follows no redirects, decodes nothing, keeps no cookies, sends nothing twice.

    What goes wrong once a request was written to a connection is told, also if the connection was a kept one:
    the upstream may have acted on the request, so whether it is sent again is a matter of policy.
    A dial's proxy is asked by CONNECT for a way to the upstream, whatever its scheme. A connection serves
    requests of equal dials only. `limit` is the most connections to one upstream by one dial; more requests
    wait, as long as connecting may take. Needs a running loop.
    """

    def __init__(self, *, limit: int = 0, keepalive: float = KEEPALIVE_SECONDS) -> None:
        self._loop = asyncio.get_running_loop()
        self._tls = client_context()
        self._limit = limit
        self._keepalive = keepalive
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
        connection = pool.take()
        if connection is None:
            connection = await pool.get(min(timeouts.connect, timeouts.total))
            now = self._loop.time()
        answer = connection.begin(request, head, now, end)
        await answer.head()
        return answer

    def _pool(self, base: str, dial: Dial) -> ConnectionPool:
        address = parse_base(base)
        connector = self._connectors.get(dial.key)
        if connector is None:
            connector = self._connectors[dial.key] = Connector(self._loop, self._tls, dial)
        pool = ConnectionPool(
            address, connector.connect, limit=self._limit, keepalive=self._keepalive, loop=self._loop
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
        self._connectors = {key: self._connectors[key] for key in used}
        self._sweeper = self._loop.call_later(self._keepalive, self._sweep) if self._pools else None

    async def close(self) -> None:
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        await asyncio.gather(*(pool.close() for pool in self._pools.values()))
