"""Upstreams that refuse `stream_options`, by which the gateway asks for the usage of streams."""

import re
import time

_SECONDS = 600
# However a server spells the member: as it was sent, in words, or as its own code names it.
_NAMED = re.compile(rb"stream[ _-]?options|include[ _-]?usage", re.IGNORECASE)
# Some say only that there is a member too many.
_TOO_MANY = re.compile(
    rb"\b(?:unknown|unrecogni[sz]ed|unexpected|unsupported|extra|additional)\W+"
    rb"(?:(?:request|body|json|keyword|input)\W+)?"
    rb"(?:parameters?|arguments?|fields?|propert(?:y|ies)|inputs?|keys?|options?|members?|attributes?)\b",
    re.IGNORECASE,
)
_ANOTHER = re.compile(rb'"param"\s*+:\s*+"')
_OF_BODIES = frozenset({400, 422})
# What says nothing of the request: it came too late, or too often.
_OF_TRAFFIC = frozenset({408, 429})


class Refusals:
    """Remembers for ten minutes which upstreams have refused, and need not be asked in vain."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def note(self, upstream: str) -> None:
        """Record that an upstream has refused."""
        self._until[upstream] = time.monotonic() + _SECONDS

    def holds(self, upstream: str) -> bool:
        """Return whether an upstream has refused not long ago."""
        until = self._until.get(upstream) if self._until else None
        return until is not None and time.monotonic() < until


def may_refuse(status: int) -> bool:
    """Return whether an answer with this status may be a refusal of the member that the gateway added."""
    return status >= 400 and status not in _OF_TRAFFIC


def refuses_to_tell(status: int, error: bytes) -> bool:
    """Return whether an upstream's error is, or may well be, about the member that the gateway added."""
    if not may_refuse(status):
        return False
    if _NAMED.search(error) is not None:
        return True
    too_many = status in _OF_BODIES and _TOO_MANY.search(error) is not None
    return too_many and _ANOTHER.search(error) is None
