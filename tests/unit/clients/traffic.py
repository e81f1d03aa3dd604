"""Usage as the data plane leaves it in a gateway's store."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from tollkeeper_server.domain.ids import Prefix, new_id
from tollkeeper_server.domain.usage import Confidence, TokenCounts, UsageEvent
from tollkeeper_server.store.sqlite.store import SqliteStore


def event(project_id: str, *, started_at: datetime, model: str = "gpt-4o", status: int = 200) -> UsageEvent:
    """Returns the event of a streamed chat completion."""
    identity = new_id(Prefix.REQUEST)
    return UsageEvent(
        id=identity,
        request_id=f"asked-{identity}",
        project_id=project_id,
        token_id="tok_x",
        model_asked="fast",
        model_served=model,
        upstream="openai",
        endpoint="chat_completions",
        status=status,
        streamed=True,
        tokens=TokenCounts(prompt=10, completion=5, cached=4, reasoning=2, confidence=Confidence.EXACT),
        started_at=started_at,
        first_byte_us=1500,
        duration_us=2_000_000,
        request_bytes=100,
        response_bytes=200,
    )


async def keep(store_file: Path, events: Sequence[UsageEvent]) -> None:
    """Writes events to a store."""
    store = SqliteStore(store_file)
    await store.open()
    try:
        await store.usage.add(events)
    finally:
        await store.close()
