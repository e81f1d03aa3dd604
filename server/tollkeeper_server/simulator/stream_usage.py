"""The places in which servers of OpenAI's API say the usage of a stream."""

from dataclasses import dataclass

from tollkeeper_server.simulator.faults import Faults, UsagePlace
from tollkeeper_server.simulator.reply import Json

_ZEROS: Json = {"usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}}


@dataclass(frozen=True, slots=True)
class StreamUsage:
    """What to add to `each` event, to the one that `finish` a choice, and the event to close with, if any."""

    each: Json
    finish: Json
    closing: Json | None = None


def place(spent: Json, asked: bool, faults: Faults, silent: Json) -> StreamUsage:
    """Return where a stream says `spent`, which a caller has `asked` for or not.

    `silent` is a choice that says nothing, for servers that say usage beside one.
    """
    if faults.usage is UsagePlace.ZEROS:
        return StreamUsage(_ZEROS, _ZEROS)
    if not asked or faults.no_usage:
        return StreamUsage({}, {})
    if faults.usage is UsagePlace.MERGED:
        return StreamUsage({}, {"usage": spent})
    if faults.usage is UsagePlace.BESIDE:
        return StreamUsage({}, {}, {"choices": [silent], "usage": spent})
    return StreamUsage({"usage": None}, {"usage": None}, {"choices": [], "usage": spent})
