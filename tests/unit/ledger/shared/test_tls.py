"""The ledger in a Redis that is reached by TLS, with a password."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from tollkeeper_server.coordination.redis.link import RedisLink
from tollkeeper_server.coordination.redis.script import connect_script
from tollkeeper_server.domain.limit import Limit, Measure, Scope, ScopeKind
from tollkeeper_server.domain.period import Period
from tollkeeper_server.ledger.meter import meter_of
from tollkeeper_server.ledger.reservation import Pending, Refused
from tollkeeper_server.ledger.shared.ledger import SharedLedger
from tollkeeper_server.ledger.shared.script import SCRIPT, by_script

from tests.contract.certificates import Authority
from tests.faults.processes import own_redis

REQUESTS = 300
AMOUNT = 100
PASSWORD = "redis-password-canary-8f2a"
TOKEN = Scope(ScopeKind.TOKEN, "tok_1")
BUDGET = meter_of(TOKEN, Limit(measure=Measure.REQUESTS, amount=AMOUNT, period=Period.TOTAL))


async def nothing_before(key: str, period: int, members: Sequence[str]) -> int:
    return 0


@asynccontextmanager
async def behind_tls(port: int, context: ssl.SSLContext) -> AsyncIterator[int]:
    """Have a port speak TLS for another; yields its number."""

    carrying: set[asyncio.Task[None]] = set()

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.transport.abort()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(pour(reader, back))
                tasks.create_task(pour(there, writer))
        finally:
            for one in (back, writer):
                one.transport.abort()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        carrying.add(asyncio.create_task(carry(reader, writer)))

    server = await asyncio.start_server(begin, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for task in carrying:
        task.cancel()
    await asyncio.gather(*carrying, return_exceptions=True)


async def ask(ledger: SharedLedger, number: int) -> bool:
    """Ask for one; return whether it was granted."""
    made = ledger.reserve(str(number), [BUDGET], [1], 0)
    answer = made if isinstance(made, (Pending, Refused)) else await made
    return isinstance(answer, Pending) and ledger.settle(str(number), [1])


@pytest.mark.parametrize(
    "options", ["ssl_ca_certs={0}&ssl_certfile={1}", "ssl_ca_certs={0}", "ssl_certfile={1}"]
)
async def test_it_is_reached_by_tls_with_a_password_and_a_certificate(tmp_path: Path, options: str) -> None:
    """A certificate that nobody vouches for, on either side, is refused, and the ledger goes on alone."""
    authority = Authority(tmp_path)
    authority.server("client")
    context = authority.server("127.0.0.1", "localhost")
    context.load_verify_locations(authority.ca_file)
    context.verify_mode = ssl.CERT_REQUIRED
    is_trusted = options.count("=") == 2
    with own_redis(tmp_path / "redis", password=PASSWORD) as server:
        async with behind_tls(server.port, context) as port:
            given = options.format(authority.ca_file, tmp_path / "client.pem")
            link = RedisLink(f"rediss://:{PASSWORD}@localhost:{port}/3?{given}")
            connect = by_script(partial(connect_script, link, SCRIPT))
            ledgers = [SharedLedger(name, connect, nothing_before, expected=1) for name in ("one", "two")]
            for ledger in ledgers:
                await ledger.open(10 if is_trusted else 0.5)
                assert ledger.answers is is_trusted
            granted = await asyncio.gather(*(ask(ledgers[number % 2], number) for number in range(REQUESTS)))
            assert sum(granted) == (AMOUNT if is_trusted else 0)
            for ledger in ledgers:
                await ledger.close(1)
            await link.close()
