"""Passing an answer on in parts, and learning the ids that each tells.

Parts of a stream end where an event or a line does; those of one long document are as they come. A part that
tells a new id waits until that is stored.
"""

from collections.abc import AsyncIterator, Awaitable, Callable

from tollkeeper_server.dataplane.reply.events import MAX_HELD, event_data, single_events, take_whole
from tollkeeper_server.dataplane.reply.told import Places, Telling, walk_told
from tollkeeper_server.dataplane.transport import Incoming
from tollkeeper_server.dataplane.turns import Turns
from tollkeeper_server.snapshot.model import Header

# So many ids are remembered that were learnt: learning one again changes nothing.
_MAX_KNOWN = 10_000
# So much waits for what follows a string that may be an id.
_MAX_WAITING = 1 << 20


class Learning:
    """An `Incoming` whose ids are learnt before they pass: of events, of JSON lines, or of one document.

    `learn` is given each id once, unless there are very many. Long events are looked into by `turns`.
    """

    __slots__ = (
        "_document", "_held", "_incoming", "_known", "_learn", "_lines", "_places", "_turns", "_waiting",
        "headers", "status",
    )  # fmt: skip

    def __init__(
        self,
        incoming: Incoming,
        places: Places,
        learn: Callable[[list[str]], Awaitable[None]],
        turns: Turns,
        *,
        lines: bool = False,
        whole: bool = False,
    ) -> None:
        self.status: int = incoming.status
        self.headers: list[Header] = incoming.headers
        self._incoming = incoming
        self._places = places
        self._learn = learn
        self._lines = lines
        self._document = Telling(places, {}) if whole else None
        self._known: set[str] = set()
        self._held = bytearray()
        self._turns = turns
        self._waiting = b""

    def whole_body(self) -> bytes | None:
        """Return None: it is looked into as it is read."""
        return None

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield what arrives, in whole events or lines."""
        parts: list[bytes] = []

        def take(part: bytes) -> bool:
            parts.append(part)
            return False

        ended = False
        while not ended:
            ended = await self.pour(take)
            for part in parts:
                yield part
            parts.clear()

    def rest(self) -> None:
        self._incoming.rest()

    def go_on(self) -> None:
        self._incoming.go_on()

    async def pour(self, take: Callable[[bytes], bool]) -> bool:
        """Hand over what arrives, in whole events or lines."""

        def look(chunk: bytes) -> bool:
            whole = self._whole(chunk)
            if not whole:
                return True
            if self._document is not None or self._places.may_tell(whole):
                self._waiting = whole
                return False
            return take(whole)

        while True:
            ended = await self._incoming.pour(look)
            if ended and not self._waiting and self._held:
                if self._document is not None:
                    return self._pass_on(take)
                self._waiting = bytes(self._held)
                self._held.clear()
            if not self._waiting:
                return ended
            new = await self._tell(self._waiting)
            if new:
                await self._learn(new)
                if len(self._known) + len(new) > _MAX_KNOWN:
                    self._known.clear()
                self._known.update(new)
            waiting, self._waiting = self._waiting, b""
            if self._document is not None:
                self._held += waiting
                if self._document.waits and not ended and len(self._held) < _MAX_WAITING:
                    continue
                if not self._pass_on(take):
                    return False
            elif not take(waiting):
                return False

    def close(self) -> None:
        """Let go of the answer."""
        self._incoming.close()

    def _pass_on(self, take: Callable[[bytes], bool]) -> bool:
        held = bytes(self._held)
        self._held.clear()
        return take(held)

    def _whole(self, chunk: bytes) -> bytes:
        if self._document is not None:
            return chunk
        if not self._lines:
            return take_whole(self._held, chunk)
        end = chunk.rfind(b"\n") + 1
        if not end and len(self._held) + len(chunk) > MAX_HELD:
            end = len(chunk)
        if not end:
            self._held += chunk
            return b""
        whole = bytes(self._held) + chunk[:end]
        self._held[:] = chunk[end:]
        return whole

    async def _tell(self, whole: bytes) -> list[str]:
        if self._document is not None:
            await self._turns.through(self._document.walk(whole, is_last=False), len(whole))
            return [one for one in self._document.found if one not in self._known]
        found: dict[str, None] = {}
        documents = whole.splitlines() if self._lines else map(event_data, single_events(whole))
        for document in documents:
            await self._turns.through(walk_told(document, self._places, found), len(document))
        return [one for one in found if one not in self._known]
