"""Where Redis is written: at an address, where Sentinel says, or at the node of a cluster that has our keys.

    redis://HOST:PORT/DB                                one server
    redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DB     the primary of a service; the hosts are Sentinels
    redis+cluster://HOST:PORT,HOST:PORT                 a cluster; the hosts are some of its nodes

`rediss` speaks TLS. User, password and options are those of redis-py's URLs, and the same for all servers;
`sentinel_username` and `sentinel_password` are for Sentinels, which have neither otherwise.

All keys have one hash tag, so that one node of a cluster has all of them: the ledger's batches, which are of
many keys, can be decided there alone.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit, urlunsplit

from redis.asyncio import BlockingConnectionPool, Connection, ConnectionPool, Redis, Sentinel, SSLConnection
from redis.asyncio.connection import AbstractConnection
from redis.crc import key_slot
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

TAG = "{tollkeeper}"
"""What all keys begin with."""
_SENTINEL, _CLUSTER = "+sentinel", "+cluster"
_PORTS = {_SENTINEL: 26379, _CLUSTER: 6379}


class Address(NamedTuple):
    """A server's."""

    host: str
    port: int


Locate = Callable[[], Awaitable[Address]]
"""Finds the server that is written to. Raises `RedisError` or OSError if nobody says."""


class Primary(NamedTuple):
    """Connections to the server that is written to, wherever that is when they are made.

    `locate` is None of a server that is always at one address. `name` is for messages.
    """

    pool: ConnectionPool
    locate: Locate | None
    name: str
    close: Callable[[], Awaitable[None]]


def primary_of(url: str, *, timeout: float, **options: Any) -> Primary:
    """Return what a URL says; `options` are the driver's. Raises ValueError if it is none of these forms."""
    parts = urlsplit(url)
    scheme, plus, kind = parts.scheme.partition("+")
    form = plus + kind
    if form not in ("", *_PORTS):
        raise ValueError("the Redis URL begins with no known scheme")
    hosts = _hosts(parts, _PORTS[form]) if form else []
    service, database = _service(parts) if form == _SENTINEL else ("", "")
    if form == _CLUSTER and parts.path.strip("/") not in ("", "0"):
        raise ValueError("a Redis cluster has no databases: end its URL after the hosts")
    if form:
        user, at, _ = parts.netloc.rpartition("@")
        path = f"/{database}" if database else ""
        url = urlunsplit((scheme, f"{user}{at}{_written(hosts[0])}", path, parts.query, ""))
    pool: BlockingConnectionPool = BlockingConnectionPool.from_url(url, timeout=timeout, **options)
    given = pool.connection_kwargs
    # A host that does not answer must leave time for the others.
    patience = timeout / (len(hosts) + 1)
    try:
        of_sentinels = {name: given.pop(f"sentinel_{name}", None) for name in ("username", "password")}
        # Options of the URL are read when a connection is made; a wrong one would fail every command.
        pool.connection_class(**given)
    except TypeError:
        raise ValueError("an option in the Redis URL is not known") from None
    if not form:
        where = given.get("path") or f"{given.get('host', 'localhost')}:{given.get('port', 6379)}"
        return Primary(pool, None, where, _nothing)
    patient = {"socket_timeout": patience, "socket_connect_timeout": patience}
    is_secure = issubclass(pool.connection_class, SSLConnection)
    located: _Sentinels | _Cluster
    if form == _SENTINEL:
        tls = {name: value for name, value in given.items() if name.startswith("ssl_")} | {"ssl": is_secure}
        located = _Sentinels(hosts, service, {"retry": given.get("retry")} | tls | of_sentinels | patient)
    else:
        located = _Cluster(hosts, pool.connection_class, given | patient)
    pool.connection_class = _LocatedSSLConnection if is_secure else _LocatedConnection
    pool.connection_kwargs = given | {"locate": located.locate}
    names = ",".join(map(_written, hosts))
    return Primary(pool, located.locate, f"{names} ({service or 'cluster'})", located.close)


def _hosts(parts: SplitResult, port: int) -> list[Address]:
    found = []
    for one in parts.netloc.rpartition("@")[2].split(","):
        host = urlsplit(f"//{one}")
        if not host.hostname:
            raise ValueError("a host in the Redis URL is empty")
        found.append(Address(host.hostname, host.port or port))
    return found


def _service(parts: SplitResult) -> tuple[str, str]:
    service, _, database = parts.path.strip("/").partition("/")
    if not service:
        raise ValueError("the Redis URL names no service: redis+sentinel://HOST:PORT/SERVICE/DB")
    if database and not database.isdecimal():
        raise ValueError("the database in the Redis URL is no number: redis+sentinel://HOST:PORT/SERVICE/DB")
    return service, database


def _written(address: Address) -> str:
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port}"


async def _nothing() -> None:
    """Close nothing."""


class _LocatedConnection(Connection):
    """Connects to the server that is the primary then."""

    def __init__(self, *, locate: Locate, **options: Any) -> None:
        super().__init__(**options)
        self._locate = locate

    async def connect(self) -> None:
        """Find the primary, and connect."""
        if not self.is_connected:
            self.host, self.port = await self._locate()
        await super().connect()  # type: ignore[no-untyped-call]


class _LocatedSSLConnection(_LocatedConnection, SSLConnection):
    """By TLS."""


class _Sentinels:
    def __init__(self, hosts: list[Address], service: str, options: Mapping[str, Any]) -> None:
        self._sentinel = Sentinel(hosts, sentinel_kwargs=options)  # type: ignore[no-untyped-call]
        self._service = service

    async def locate(self) -> Address:
        """Return the primary that a Sentinel names."""
        host, port = await self._sentinel.discover_master(self._service)
        return Address(host, port)

    async def close(self) -> None:
        """Close the connections to them."""
        await self._sentinel.aclose()


class _Cluster:
    def __init__(
        self, hosts: list[Address], connection_class: type[AbstractConnection], options: Mapping[str, Any]
    ) -> None:
        self._slot = key_slot(TAG.encode())
        self._hosts = hosts
        self._nodes = deque(hosts)
        self._class = connection_class
        self._options = options
        self._clients: dict[Address, Redis] = {}

    async def locate(self) -> Address:
        """Return the node that has our slot, as any node says; those that it names may be asked next time."""
        for _ in range(len(self._nodes)):
            asked = self._nodes[0]
            self._nodes.rotate(-1)  # who does not answer is asked last
            try:
                ranges = await self._client(asked).execute_command("CLUSTER", "SLOTS")  # type: ignore[no-untyped-call]
            except (RedisError, OSError, TimeoutError):
                continue
            primaries = {(start, end): _address(node, asked) for start, end, node, *_ in ranges}
            self._nodes = deque(dict.fromkeys([asked, *primaries.values(), *self._hosts]))
            for (start, end), address in primaries.items():
                if start <= self._slot <= end:
                    return address
        raise RedisConnectionError("no node of the cluster says who has the keys of Tollkeeper")

    def _client(self, address: Address) -> Redis:
        client = self._clients.get(address)
        if client is None:
            options = {**self._options, "host": address.host, "port": address.port}
            pool: ConnectionPool = ConnectionPool(connection_class=self._class, **options)
            client = self._clients[address] = Redis.from_pool(pool)
        return client

    async def close(self) -> None:
        """Close the connections to the nodes that were asked."""
        for client in self._clients.values():
            await client.aclose()


def _address(node: list[Any], asked: Address) -> Address:
    host = (node[0] or b"").decode()
    return Address(host or asked.host, node[1])
