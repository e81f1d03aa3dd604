"""Changing what must be changed in a JSON body, and leaving every other value as it was written."""

import msgspec
from msgspec import Raw

_decode = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_options = msgspec.json.Decoder(dict[str, Raw] | None).decode
_TRUE = Raw(b"true")


def rewrite_json(body: bytes, *, model: str | None = None, ask_usage: bool = False) -> bytes:
    """Returns the JSON object `body` with another model, or asking for usage in its stream.

    Values keep their bytes; of members given twice the last stays, which is the one that was looked
    at.
    """
    members = _decode(body)
    if model is not None:
        members["model"] = Raw(msgspec.json.encode(model))
    if ask_usage:
        options = _decode_options(members.get("stream_options", Raw(b"null"))) or {}
        options["include_usage"] = _TRUE
        members["stream_options"] = Raw(msgspec.json.encode(options))
    return msgspec.json.encode(members)
