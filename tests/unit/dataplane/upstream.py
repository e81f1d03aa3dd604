"""An upstream by script, and the journal that its calls are noted in."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from tollkeeper_server.dataplane.exchange import ClientGoneError
from tollkeeper_server.dataplane.transport import ConnectError, CutError, Outgoing, Parts
from tollkeeper_server.domain.usage import Intent, UsageEvent
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.snapshot.model import Header


class Recorder:
    """A journal that keeps what it is told, in order."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.begun: list[Intent] = []
        self.settled: list[UsageEvent] = []

    def begin(self, intent: Intent) -> None:
        """As the journal does."""
        self.order.append("begin")
        self.begun.append(intent)

    def settle(self, event: UsageEvent) -> None:
        """As the port says."""
        self.order.append("settle")
        self.settled.append(event)

    def write_settled(self) -> None:
        """Nothing waits to be written."""

    @property
    def only(self) -> UsageEvent:
        """The one event that was settled."""
        (event,) = self.settled
        return event


Step = bytes | BaseException | asyncio.Event


@dataclass
class Answer:
    """An upstream's answer by script: chunks, an error to raise, or an event to wait for."""

    steps: Sequence[Step] = ()
    status: int = 200
    headers: list[Header] = field(default_factory=lambda: [(b"Content-Type", b"application/json")])
    closed: int = 0
    opened: bool = False
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a step that waits was reached."""
    going: AsyncIterator[bytes] | None = None

    def chunks(self) -> AsyncIterator[bytes]:
        """Go through the steps, on from where it was left."""
        if self.going is None:
            self.going = self._go()
        return self.going

    async def _go(self) -> AsyncIterator[bytes]:
        for step in self.steps:
            match step:
                case bytes():
                    yield step
                case asyncio.Event():
                    self.reached.set()
                    await step.wait()
                case _:
                    raise step

    def whole_body(self) -> bytes | None:
        """Return the body if nothing else comes in between."""
        whole = [step for step in self.steps if isinstance(step, bytes)]
        return b"".join(whole) if len(whole) == len(self.steps) else None

    def rest(self) -> None:
        """Do nothing: steps are gone through as they are asked for."""

    def go_on(self) -> None:
        """Do nothing: steps are gone through as they are asked for."""

    async def pour(self, take: Callable[[bytes], bool]) -> bool:
        """Go through the steps, on from where it was left."""
        async for chunk in self.chunks():
            if not take(chunk):
                return False
        return True

    def close(self) -> None:
        """Count."""
        self.closed += 1


class ScriptedTransport:
    """Answers with what it was given, and keeps what it was asked."""

    def __init__(self, journal: Recorder) -> None:
        self.journal = journal
        self.answer: Answer | BaseException | asyncio.Event = Answer()
        self.answers: dict[str, list[Answer | BaseException]] = {}
        """What hosts answer, one after the other; the last of it again and again."""
        self.requests: list[Outgoing] = []
        self.bodies: list[bytes] = []
        self.waiting = asyncio.Event()
        self.cancelled = False

    async def open(self, request: Outgoing) -> Answer:
        """Read the body and answers."""
        self.journal.order.append("open")
        self.requests.append(request)
        following = self._next(request)
        if isinstance(request.body, bytes):
            self.bodies.append(request.body)
        elif isinstance(request.body, Parts):
            self.bodies.append(b"".join(request.body.parts))
        elif not isinstance(following, ConnectError):  # before a connection nothing of the body is read
            pieces: list[bytes] = []
            self.bodies.append(b"")
            try:
                async for piece in request.body:
                    pieces.append(piece)
                    self.bodies[-1] = b"".join(pieces)
            except (TollkeeperError, ClientGoneError) as error:  # as real ones say it
                raise CutError("the connection to the upstream broke") from error
        if isinstance(following, Answer):
            return following
        if isinstance(following, BaseException):
            raise following
        self.waiting.set()
        try:
            await following.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        raise AssertionError("nothing follows the wait")

    def _next(self, request: Outgoing) -> Answer | BaseException | asyncio.Event:
        script = self.answers.get(urlsplit(request.url).hostname or "", [])
        following = (script.pop(0) if len(script) > 1 else script[0]) if script else self.answer
        if isinstance(following, Answer):
            if following.opened:
                return replace(following, going=None)
            following.opened = True
        return following

    @property
    def hosts(self) -> list[str]:
        """The hosts that were asked, in order."""
        return [urlsplit(request.url).hostname or "" for request in self.requests]

    async def close(self) -> None:
        """Nothing is open."""

    @property
    def only(self) -> Outgoing:
        """The one request that was sent."""
        (request,) = self.requests
        return request
