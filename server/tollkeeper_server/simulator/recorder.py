"""The record of the last requests, with those whose client left before the end of the answer."""

import asyncio
import hashlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

KEPT_BODY = 64 * 1024


@dataclass(slots=True, eq=False)
class Record:
    """One request. `path` is raw, with its query; `body` is None unless it is text up to `KEPT_BODY` bytes.

    `cancelled` is true if the client left before the end of the answer, `finished` if the simulator sent the
    whole answer or ended it on purpose. `events` is the number of events sent so far of a stream.
    """

    id: int
    method: str
    path: str
    headers: list[tuple[str, str]]
    body_bytes: int = 0
    body_sha256: str = ""
    body: str | None = None
    status: int = 0
    events: int = 0
    finished: bool = False
    cancelled: bool = False


@dataclass(slots=True)
class _Mailbox:
    """Records that tests collect one by one. Beyond `limit` the oldest are dropped."""

    limit: int
    _records: deque[Record] = field(init=False)
    _filled: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._records = deque(maxlen=self.limit)

    def put(self, record: Record) -> None:
        self._records.append(record)
        self._filled.set()

    async def take(self, timeout_seconds: float) -> Record | None:
        try:
            async with asyncio.timeout(timeout_seconds):
                while not self._records:
                    self._filled.clear()
                    await self._filled.wait()
        except TimeoutError:
            return None
        return self._records.popleft()

    def clear(self) -> None:
        self._records.clear()


class Recorder:
    """Records requests, and remembers the last `limit` of them."""

    def __init__(self, limit: int) -> None:
        self._records: deque[Record] = deque(maxlen=limit)
        self._received = _Mailbox(limit)
        self._cancelled = _Mailbox(limit)
        self.total = 0
        self.in_flight = 0

    def begin(self, method: str, path: str, headers: Iterable[tuple[bytes, bytes]]) -> Record:
        """Return a new record for a request whose head has arrived; `finish` or `cancel` must follow."""
        self.total += 1
        self.in_flight += 1
        texts = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        record = Record(self.total, method, path, texts)
        self._records.append(record)
        return record

    def receive(self, record: Record, body: bytes) -> None:
        """Record the body, which has arrived in full."""
        record.body_bytes = len(body)
        record.body_sha256 = hashlib.sha256(body).hexdigest()
        if len(body) <= KEPT_BODY:
            try:
                record.body = body.decode()
            except UnicodeDecodeError:
                record.body = None
        self._received.put(record)

    def finish(self, record: Record) -> None:
        """Record that the simulator ended the answer."""
        self.in_flight -= 1
        record.finished = True

    def cancel(self, record: Record) -> None:
        """Record that the client left before the end of the answer."""
        self.in_flight -= 1
        record.cancelled = True
        self._cancelled.put(record)

    def all(self) -> list[Record]:
        """Return the remembered requests, oldest first."""
        return list(self._records)

    def clear(self) -> None:
        """Forget every request, including those that were not collected yet."""
        self._records.clear()
        self._received.clear()
        self._cancelled.clear()

    async def next_received(self, timeout_seconds: float) -> Record | None:
        """Return the oldest complete request that no call has returned yet; None after the time-out."""
        return await self._received.take(timeout_seconds)

    async def next_cancelled(self, timeout_seconds: float) -> Record | None:
        """Return the oldest cancelled request that no call has returned yet; None after the time-out."""
        return await self._cancelled.take(timeout_seconds)
