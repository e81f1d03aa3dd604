"""What an upstream's error says, where the gateway acts by that: it falls back, or asks without usage."""

from tollkeeper_server.dataplane.call.attempt import Attempt, Failure, Result
from tollkeeper_server.dataplane.call.refusals import may_refuse, refuses_to_tell
from tollkeeper_server.dataplane.headers import content_coding
from tollkeeper_server.dataplane.reply.decoding import decode_body
from tollkeeper_server.dataplane.reply.readahead import read_ahead
from tollkeeper_server.dataplane.transport import TransportError
from tollkeeper_server.providers.causes import cause_of, may_name_cause
from tollkeeper_server.snapshot.model import Route

# An error that is larger names no cause to fall back upon.
_MAX_ERROR_BYTES = 64 * 1024


async def names_cause(result: Result, route: Route) -> bool:
    """Return whether an upstream gave a cause for which the model falls back, such as a prompt too long."""
    if isinstance(result, Failure) or not route.fallback_on or not may_name_cause(result.incoming.status):
        return False
    return cause_of(await _error_of(result)) in route.fallback_on


async def refuses_usage(result: Attempt) -> bool:
    """Return whether an upstream refused to be asked for the usage of its stream."""
    status = result.incoming.status
    return may_refuse(status) and refuses_to_tell(status, await _error_of(result))


async def _error_of(result: Attempt) -> bytes:
    """Return what an answer says without its coding, of which nothing is lost; nothing if it breaks off."""
    try:
        answer = await read_ahead(result.incoming, _MAX_ERROR_BYTES, lambda _: False)
    except TransportError:
        return b""
    result.incoming = answer
    return decode_body(answer.held, content_coding(answer.headers), _MAX_ERROR_BYTES)
