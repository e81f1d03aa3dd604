"""The steps that every management call takes, from any door, in this order:

1. request id    the caller's own if it is well-formed, else a new one (`request_id`, when the call is made)
2. error mapping everything that is not a `TollkeeperError` becomes INTERNAL with an error id
3. log           one line a call: method, request id, outcome, duration; never contents
4. deadline      the caller's, or ours if it set none
5. authenticate  whose token is it
6. validate      decode the request and hold it to the rules in the protos
7. authorise     does the caller have the role that the method asks for
8. handler       the service's method

`interceptors.py` holds 2 to 7. A call is decoded only after 5: a stranger learns nothing
about what would have been well-formed.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from tollkeeper_server.domain.ids import Prefix, is_request_id, new_id

REQUEST_ID = "x-request-id"


def request_id(offered: str | None) -> str:
    """Return the caller's request id if it is well-formed, else a new one."""
    if offered is not None and is_request_id(offered):
        return offered
    return new_id(Prefix.REQUEST)


@dataclass(frozen=True, slots=True)
class Call:
    """A call as its door received it.

    `metadata` has lower-case names. `deadline` is in seconds of `time.monotonic`, None if there
    is none.
    """

    method: MethodDescriptor
    request_id: str
    metadata: Mapping[str, str]
    deadline: float | None = None
    peer: str = ""


@dataclass(slots=True)
class Invocation:
    """A call on its way through the chain, and the findings of the interceptors."""

    call: Call
    decode: Callable[[], Message]
    request: Message | None = None
    roles: frozenset[int] = frozenset()


Next = Callable[[Invocation], Awaitable[Message]]
Interceptor = Callable[[Invocation, Next], Awaitable[Message]]


class Chain:
    """The ordered interceptors before the handlers."""

    def __init__(self, interceptors: Sequence[Interceptor], handler: Next) -> None:
        """Take the interceptors, the outermost first."""
        self._enter = handler
        for interceptor in reversed(interceptors):
            self._enter = _link(interceptor, self._enter)

    async def invoke(self, call: Call, decode: Callable[[], Message]) -> Message:
        """Answer a call whose request `decode` returns. Raises `TollkeeperError` and nothing else."""
        return await self._enter(Invocation(call, decode))


def _link(interceptor: Interceptor, proceed: Next) -> Next:
    async def enter(invocation: Invocation) -> Message:
        return await interceptor(invocation, proceed)

    return enter
