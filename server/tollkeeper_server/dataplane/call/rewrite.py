"""Changing single members of a JSON body, and leaving every other value as it was written."""

import msgspec
from msgspec import Raw

from tollkeeper_server.errors import Reason, TollkeeperError

_decode = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_options = msgspec.json.Decoder(dict[str, Raw] | None).decode
_TRUE = Raw(b"true")
_NULL = Raw(b"null")


def rewrite_json(body: bytes, *, model: str | None = None, ask_usage: bool = False) -> bytes:
    """Return the JSON object `body` with another model, or asking for usage in its stream.

    Values keep their bytes; of members given twice the last stays, which is the one that was looked
    at. With `model`, members that are spelt like it but for their case go: upstreams written in Go read
    them as the model. Raises INVALID_JSON where the name of a member is not UTF-8.
    """
    try:
        members = _decode(body)
        options = _decode_options(members.get("stream_options", _NULL)) or {} if ask_usage else {}
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # The peek into the body skipped the names of the other members.
        raise TollkeeperError(
            Reason.INVALID_JSON, f"the request's body is not valid JSON: {error}", field="body"
        ) from error
    if model is not None:
        for name in [name for name in members if name != "model" and name.casefold() == "model"]:
            del members[name]
        members["model"] = Raw(msgspec.json.encode(model))
    if ask_usage:
        options["include_usage"] = _TRUE
        members["stream_options"] = Raw(msgspec.json.encode(options))
    return msgspec.json.encode(members)
