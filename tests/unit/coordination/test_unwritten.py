"""What the store did not take: it is bounded, and of an id the newest placement is written."""

import asyncio
from datetime import UTC, datetime

from tollkeeper_server.coordination.unwritten import MAX_UNWRITTEN, UnwrittenPlacements
from tollkeeper_server.domain.placement import Placement

PATIENT = 3600.0


def _placement(placement_id: str, upstream: str = "a") -> Placement:
    return Placement(
        id=placement_id, upstream=upstream, project_id="prj_1", used_at=datetime(2026, 11, 26, tzinfo=UTC)
    )


async def test_beyond_the_bound_the_oldest_is_lost() -> None:
    written: list[Placement] = []

    async def write(placements: list[Placement]) -> set[str]:
        written.extend(placements)
        return set()

    unwritten = UnwrittenPlacements(write, PATIENT)
    unwritten.add([_placement(f"file-{n}") for n in range(MAX_UNWRITTEN + 1)])

    assert unwritten.get("file-0") is None
    await unwritten.close()
    assert [it.id for it in written] == [f"file-{n}" for n in range(1, MAX_UNWRITTEN + 1)]


async def test_what_is_replaced_while_it_is_written_is_written_again() -> None:
    written: list[str] = []
    twice = asyncio.Event()

    async def write(placements: list[Placement]) -> set[str]:
        written.extend(it.upstream for it in placements)
        if len(written) == 1:
            assert unwritten.replace(_placement("file-1", "b"))
        else:
            twice.set()
        return set()

    unwritten = UnwrittenPlacements(write, 0.001)
    unwritten.add([_placement("file-1")])

    await twice.wait()
    await unwritten.close()
    assert written == ["a", "b"]
    assert not unwritten.replace(_placement("file-1"))
