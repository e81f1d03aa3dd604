"""A gateway whose disk is full: it serves, and what it could not write down it writes when there is room."""

import asyncio
import resource
from pathlib import Path

import httpx2

from tests.faults.test_gateway_ends import begun
from tests.faults.traffic import ask, callers
from tests.integration.process import Gateway, Simulator, until

# So many that the journal is larger than the log, which the limit on files must not touch.
BEFORE = 40


def let_files_grow_to(gateway: Gateway, size: int) -> None:
    """Let the files of a gateway grow up to `size` bytes, as a full disk does."""
    limit = (size, resource.RLIM_INFINITY)
    resource.prlimit(gateway.command.process.pid, resource.RLIMIT_FSIZE, limit)


def waiting(gateway: Gateway) -> int:
    """Return how many records are in memory alone."""
    metrics = httpx2.get(f"{gateway.console}/metrics").text
    (line,) = [line for line in metrics.splitlines() if line.startswith("tollkeeper_usage_journal_waiting ")]
    return int(float(line.split()[1]))


async def begin_on_a_full_disk(gateway: Gateway, secret: str, full: int) -> None:
    """Have a stream begin while files can't grow beyond `full` bytes, and a crash once there is room."""
    async with callers() as session:
        let_files_grow_to(gateway, full)
        async with begun(session, gateway.data, secret, "hang=3", "caught"):
            assert waiting(gateway) == 1
            answer = await asyncio.to_thread(ask, gateway, secret)
            assert answer.status_code == 200
            let_files_grow_to(gateway, resource.RLIM_INFINITY)
            await asyncio.to_thread(until, lambda: waiting(gateway) == 0)
            gateway.command.kill()


def test_a_request_that_begins_on_a_full_disk_outlives_a_crash(tmp_path: Path, simulator: Simulator) -> None:
    with Gateway(tmp_path) as gateway:
        gateway.serve_models(simulator)
        minted = gateway.mint()
        for _ in range(BEFORE):
            assert ask(gateway, minted.token).status_code == 200
        (segment,) = (tmp_path / "data" / "journal").rglob("*.jsonl")
        asyncio.run(begin_on_a_full_disk(gateway, minted.token, segment.stat().st_size + 20))

        gateway.start()
        event = gateway.event_of("caught")
        assert (event.status, event.error_code) == (500, "gateway_interrupted")
        assert len(gateway.usage()) == BEFORE + 2
        with gateway.management() as client:
            assert client.tokens.get(minted.id).request_count == BEFORE + 2
        assert " ERROR " not in gateway.command.said()
