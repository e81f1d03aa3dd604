"""Reading the lists of models that upstreams give: OpenAI's form, Anthropic's, and those of others.

| who | list | entry |
|---|---|---|
| OpenAI, and nearly all | `data` | `id`, `created` in seconds |
| Anthropic | `data` | `id`, `created_at` as RFC 3339 |
| Together | the document itself | `id`, `created` |
| Cohere | `models` | `name` |
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
from msgspec import Raw, Struct

MAX_MODELS = 2_000
"""The most entries of a list that are read, the first ones."""

ModelTimes = Mapping[str, datetime]
"""Names of models, each with the time when it was made; `UNKNOWN_TIME` if the list does not say."""
UNKNOWN_TIME = datetime.fromtimestamp(0, UTC)

_MAX_SECONDS = 1 << 32


class _Document(Struct):
    data: list[Raw] | None = None
    models: list[Raw] | None = None


class _Entry(Struct):
    id: object = None
    name: object = None
    created: object = None
    created_at: object = None


_decode = msgspec.json.Decoder(_Document | list[Raw]).decode
_decode_entry = msgspec.json.Decoder(_Entry).decode


def read_model_list(body: bytes) -> ModelTimes:
    """Return the models in a list, in its order; an odd entry hides no other.

    Raises `ValueError` for what is no list. The message holds nothing of it.
    """
    try:
        document = _decode(body.removeprefix(b"\xef\xbb\xbf"))  # a byte order mark, as .NET writes it
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("its list of models can't be read") from None
    entries = document if isinstance(document, list) else document.data
    if entries is None and not isinstance(document, list):
        entries = document.models
    if entries is None:
        raise ValueError("its answer has no list of models")
    found: dict[str, datetime] = {}
    for raw in entries[:MAX_MODELS]:
        try:
            entry = _decode_entry(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        name = entry.id if entry.id is not None else entry.name
        if isinstance(name, str):
            found.setdefault(name, _time(entry))
    return found


def _time(entry: _Entry) -> datetime:
    seconds, text = entry.created, entry.created_at
    if isinstance(seconds, int | float) and 0 <= seconds < _MAX_SECONDS:
        return datetime.fromtimestamp(int(seconds), UTC)
    if isinstance(text, str):
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    return UNKNOWN_TIME
