"""The steps that every management call takes, from any door, in this order:

1. request id    the caller's own if it is well-formed, else a new one (`request_id`, when the call is made)
2. error mapping everything that is not a `TollkeeperError` becomes INTERNAL with an error id
3. log           one line a call: method, request id, outcome, duration; never contents
4. deadline      the caller's, or ours if it set none; a stream has the caller's alone
5. authenticate  whose token is it, or who has signed in (`authentication.py`)
6. validate      read and decode the request, and hold it to the rules in the protos
7. authorise     does the caller have the role that the method asks for
8. streams       of a stream: is there room for one more; it ends when the process does (`streams.py`)
9. handler       the service's method

`interceptors.py` holds 2 to 4, 6, 7 and 9. A request is read and decoded only after 5: a stranger's costs
nothing, and teaches nothing about what would have been well-formed.

A call has one answer, or is a stream: its messages are sent while the handler makes them, no faster than the
caller takes them, and the call returns when the last is sent.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from tollkeeper_server.domain.author import Door
from tollkeeper_server.domain.ids import Prefix, is_request_id, new_id

REQUEST_ID = "x-request-id"


def request_id(offered: str | None) -> str:
    """Return the caller's request id if it is well-formed, else a new one."""
    if offered is not None and is_request_id(offered):
        return offered
    return new_id(Prefix.REQUEST)


@dataclass(slots=True)
class OfferedSession:
    """The secret of a session that came with a call, at a door and in a way that lets it count.

    `replacement` is the secret that the caller is to send from then on, None if it is to keep its own;
    authentication sets it.
    """

    secret: str
    replacement: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A call as its door received it.

    `metadata` has lower-case names. `deadline` is in seconds of `time.monotonic`, None if there
    is none. `peer` is the caller's address, or for a call of this process's own what it is made for, such as
    a file.
    """

    method: MethodDescriptor
    request_id: str
    metadata: Mapping[str, str]
    deadline: float | None = None
    peer: str = ""
    session: OfferedSession | None = None
    door: Door = Door.UNKNOWN


Read = Callable[[], Awaitable[Message]]
"""Returns a call's request. Raises `TollkeeperError` for one that can't be read."""


def in_hand(request: Message) -> Read:
    """Return what reads a request that is there already."""

    async def read() -> Message:
        return request

    return read


Send = Callable[[Message], Awaitable[None]]
"""Sends a message of a stream. Returns once the caller can be sent the next."""


@dataclass(slots=True)
class Invocation:
    """A call on its way through the chain, and the findings of the interceptors."""

    call: Call
    read: Read
    send: Send | None = None
    """Sends the messages of a stream; None if the call is none."""
    request: Message | None = None
    roles: frozenset[int] = frozenset()
    caller: str = ""
    """By what the caller has shown who it is."""
    sent: int = 0
    """How many messages of a stream were sent."""


Answer = Message | None
"""The answer of a call, None of a stream."""
Next = Callable[[Invocation], Awaitable[Answer]]
Interceptor = Callable[[Invocation, Next], Awaitable[Answer]]


class Chain:
    """The ordered interceptors before the handlers."""

    def __init__(self, interceptors: Sequence[Interceptor], handler: Next) -> None:
        """Take the interceptors, the outermost first."""
        self._enter = handler
        for interceptor in reversed(interceptors):
            self._enter = _link(interceptor, self._enter)

    async def invoke(self, call: Call, read: Read) -> Message:
        """Answer a call whose request `read` returns. Raises `TollkeeperError` and nothing else."""
        answer = await self._enter(Invocation(call, read))
        assert answer is not None, "the door makes streams by `stream`"
        return answer

    async def stream(self, call: Call, read: Read, send: Send) -> None:
        """Send the messages of a stream until it ends. Raises `TollkeeperError`, and what `send` raises."""
        await self._enter(Invocation(call, read, send))


def _link(interceptor: Interceptor, proceed: Next) -> Next:
    async def enter(invocation: Invocation) -> Answer:
        return await interceptor(invocation, proceed)

    return enter
