"""Why an upstream refused a request, as far as a model's fallbacks may do better with it."""

import re

import msgspec
from msgspec import Struct

from tollkeeper_server.domain.model import FallbackCause

_STATUSES = frozenset({400, 413, 422})
# https://platform.openai.com/docs/guides/error-codes, and what Azure's content filter answers.
_CODES = {
    "context_length_exceeded": FallbackCause.CONTEXT_LENGTH,
    "string_above_max_length": FallbackCause.CONTEXT_LENGTH,
    "content_filter": FallbackCause.CONTENT,
    "content_policy_violation": FallbackCause.CONTENT,
    "moderation_blocked": FallbackCause.CONTENT,
}
# Anthropic and many servers of open models say it in words alone.
_TOO_LONG = re.compile(
    r"maximum context length|context (?:length|window)|prompt is too long|too many (?:input )?tokens"
    r"|exceeds? the (?:model'?s )?maximum", re.IGNORECASE
)  # fmt: skip
_FILTERED = re.compile(r"content (?:management )?polic|content filter|safety system", re.IGNORECASE)


class _Error(Struct):
    code: str | int | None = None
    type: str | None = None
    message: str | None = None


class _Envelope(Struct):
    error: _Error | str | None = None
    message: str | None = None


_decode = msgspec.json.Decoder(_Envelope).decode


def may_name_cause(status: int) -> bool:
    """Return whether an answer with that status may name a cause in its body."""
    return status in _STATUSES


def cause_of(body: bytes) -> FallbackCause | None:
    """Return the cause that the body of an error names, None if it is none to fall back upon."""
    try:
        envelope = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    error = envelope.error
    if not isinstance(error, _Error):
        error = _Error(message=error or envelope.message)
    for code in (error.code, error.type):
        if isinstance(code, str) and code in _CODES:
            return _CODES[code]
    message = error.message or ""
    if _TOO_LONG.search(message):
        return FallbackCause.CONTEXT_LENGTH
    return FallbackCause.CONTENT if _FILTERED.search(message) else None
