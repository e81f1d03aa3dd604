"""The fields of usage events that every engine stores flat, filters by, groups by and sums."""

from collections.abc import Mapping

import msgspec

from tollkeeper_server.domain.limit import Charge
from tollkeeper_server.domain.usage import (
    Confidence,
    TokenCounts,
    TokenDetails,
    UsageAttempt,
    UsageEvent,
    UsageFilter,
    UsageGroup,
)
from tollkeeper_server.domain.usage_sums import SUMS
from tollkeeper_server.store.documents import from_document, time_text

TOKEN_FIELDS = TokenCounts.__struct_fields__
"""The fields of `UsageEvent.tokens`, which stand beside those of the event itself."""
PLAIN_COUNTS = tuple(name for name in TOKEN_FIELDS if name not in {"confidence", "details"})
"""Those that every engine stores as they are."""
NOT_STORED = ("tokens", "amends")
"""The fields of `UsageEvent` that no field of that name is stored of."""
FILTERS = (
    "project_id",
    "token_id",
    "model_served",
    "upstream",
    "request_id",
    "endpoint",
    "error_code",
)
GROUPS = {
    UsageGroup.PROJECT: "project_id",
    UsageGroup.TOKEN: "token_id",
    UsageGroup.MODEL: "model_served",
    UsageGroup.UPSTREAM: "upstream",
    UsageGroup.ENDPOINT: "endpoint",
    UsageGroup.STATUS_CLASS: "status",
    UsageGroup.ERROR_CODE: "error_code",
}
"""The fields of groups that are no times. Of the status it is the hundreds that count."""
SUMMED = tuple(name.removesuffix("_tokens") for name in SUMS)
"""The fields that sums are of, in their order, where they are stored."""
GUESSED = (Confidence.ESTIMATED, Confidence.PENDING)
"""The confidences of counts that `estimated_requests` counts."""

_encode = msgspec.json.Encoder().encode
_decode_charges = msgspec.json.Decoder(tuple[Charge, ...]).decode


def wanted_values(where: UsageFilter) -> dict[str, tuple[str, ...]]:
    """Return the values of which fields of an event must have one to pass the filter, by name."""
    return {name: wanted for name in FILTERS if (wanted := getattr(where, name))}


def wanted_times(where: UsageFilter) -> tuple[str, str]:
    """Return the texts between which `started_at` must be, the second excluded; empty for no bound."""
    return time_text(where.start) if where.start else "", time_text(where.end) if where.end else ""


def attempts_text(attempts: tuple[UsageAttempt, ...]) -> str:
    """Return the text that is stored of an event's attempts, empty for none."""
    return _encode(attempts).decode() if attempts else ""


def details_text(details: TokenDetails | None) -> str:
    """Return the text that is stored of the details of counts, empty for none."""
    return "" if details is None else _encode(details).decode()


def charges_text(charges: tuple[Charge, ...]) -> str:
    """Return the text that is stored of what an event has used of budgets, empty for none."""
    return _encode(charges).decode() if charges else ""


def charges_of(text: object) -> tuple[Charge, ...]:
    """Return the charges of a stored text; none if an earlier release has stored the event."""
    return _decode_charges(text) if isinstance(text, str) and text else ()


def to_event(fields: Mapping[str, object]) -> UsageEvent:
    """Return the event with these flat fields. Raises as `from_document` does."""
    text = fields.get("attempts")
    attempts = msgspec.json.decode(text) if isinstance(text, str) and text else ()
    # What is missing was not known to the release that wrote it.
    tokens = {name: fields[name] for name in TOKEN_FIELDS if name in fields}
    details = tokens.get("details")
    tokens["details"] = msgspec.json.decode(details) if isinstance(details, str) and details else None
    charges = charges_of(fields.get("charges"))
    return from_document({**fields, "tokens": tokens, "attempts": attempts, "charges": charges}, UsageEvent)
