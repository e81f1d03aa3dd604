"""A gateway whose disk is full: it serves, and what it could not write down it writes when there is room."""

import asyncio
import resource
from pathlib import Path

import httpx2
import pytest

from tests.faults.test_budgets import LIMITS, standing, stored
from tests.faults.test_gateway_ends import begun
from tests.faults.traffic import ask, callers, code_of
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


async def begin_on_a_full_disk(gateway: Gateway, secret: str, full: int, *, has_room: bool) -> None:
    """Have a stream begin while files can't grow beyond `full` bytes, and a crash then, or once they can."""
    async with callers() as session:
        let_files_grow_to(gateway, full)
        async with begun(session, gateway.data, secret, "hang=3", "caught"):
            assert waiting(gateway) == 1
            answer = await asyncio.to_thread(ask, gateway, secret)
            assert answer.status_code == 200
            if has_room:
                let_files_grow_to(gateway, resource.RLIM_INFINITY)
                await asyncio.to_thread(until, lambda: waiting(gateway) == 0)
            gateway.command.kill()


@pytest.mark.parametrize("has_room", [True, False])
def test_a_request_that_begins_on_a_full_disk_outlives_a_crash_if_there_is_room_before(
    tmp_path: Path, simulator: Simulator, has_room: bool
) -> None:
    """Then budgets are charged what it held. Else nobody knows of it, nor what else the disk did not take."""
    with Gateway(tmp_path, store="sqlite") as gateway:
        gateway.serve_models(simulator)
        minted = gateway.mint(limits=LIMITS)
        for _ in range(BEFORE):
            assert ask(gateway, minted.token).status_code == 200
        until(lambda: len(gateway.usage()) == BEFORE)
        (segment,) = (tmp_path / "data" / "journal").rglob("*.jsonl")
        full = segment.stat().st_size + 20
        asyncio.run(begin_on_a_full_disk(gateway, minted.token, full, has_room=has_room))

        gateway.start()
        requests = BEFORE + 2 * has_room
        events, charged = asyncio.run(stored(gateway))
        assert len(events) == requests
        if has_room:
            event = events["caught"]
            assert (event.status, event.error_code) == (500, "gateway_interrupted")
            assert [it.amount > 0 for it in event.charges] == [True, True]
        assert standing(gateway, minted.token) == {
            "requests": (requests, 0),
            "tokens": (sum(charged.values()) - requests, 0),
        }
        with gateway.management() as client:
            assert client.tokens.get(minted.id).request_count == requests
        assert " ERROR " not in gateway.command.said()


def test_who_must_be_written_down_is_refused_on_a_full_disk_and_served_again(
    tmp_path: Path, simulator: Simulator
) -> None:
    """`refuse`: what a crash would forget does not begin; what has no limits is served."""
    with Gateway(tmp_path, store="sqlite", disk_full="refuse") as gateway:
        gateway.serve_models(simulator)
        minted, unlimited = gateway.mint(limits=LIMITS), gateway.new_token()
        for _ in range(BEFORE):
            assert ask(gateway, minted.token).status_code == 200
        until(lambda: len(gateway.usage()) == BEFORE)
        (segment,) = (tmp_path / "data" / "journal").rglob("*.jsonl")
        let_files_grow_to(gateway, segment.stat().st_size + 20)
        for _ in range(3):
            refused = ask(gateway, minted.token)
            assert (refused.status_code, code_of(refused)) == (503, "gateway_shortage")
            assert "room on its disk" in refused.json()["error"]["message"]
            assert int(refused.headers["retry-after"]) > 0
        assert ask(gateway, unlimited).status_code == 200
        until(lambda: standing(gateway, minted.token)["requests"] == (BEFORE, 0))
        let_files_grow_to(gateway, resource.RLIM_INFINITY)
        assert ask(gateway, minted.token).status_code == 200
        gateway.command.kill()

        gateway.start()
        _, charged = asyncio.run(stored(gateway))
        assert standing(gateway, minted.token)["requests"] == (BEFORE + 1, 0)
        assert {key.partition(":")[0]: amount for key, amount in charged.items()}["requests"] == BEFORE + 1
