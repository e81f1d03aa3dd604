"""Changing single members of a JSON body, and leaving every other value as it was written."""

import msgspec
from msgspec import Raw

from tollkeeper_server.dataplane.aside import LARGE
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.providers.members import iterate_members, read_name

_decode = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_options = msgspec.json.Decoder(dict[str, Raw] | None).decode
_TRUE = Raw(b"true")
_NULL = Raw(b"null")
_OPTIONS = "stream_options"


def rewrite_json(body: bytes, *, model: str | None = None, ask_usage: bool = False) -> bytes:
    """Return the JSON object `body` with another model, or asking for usage in its stream.

    Values keep their bytes; of members given twice the last stays, which is the one that was looked
    at. With `model`, members that are spelt like it but for their case go: upstreams written in Go read
    them as the model. Raises INVALID_JSON where the name of a member is not UTF-8.
    """
    try:
        if len(body) > LARGE:
            return _rewrite_large(body, model, ask_usage=ask_usage)
        members = _decode(body)
        if model is not None:
            for name in [name for name in members if name != "model" and name.casefold() == "model"]:
                del members[name]
            members["model"] = Raw(msgspec.json.encode(model))
        if ask_usage:
            members[_OPTIONS] = _asking(members.get(_OPTIONS, _NULL))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # The peek into the body skipped the names of the other members.
        raise TollkeeperError(
            Reason.INVALID_JSON, f"the request's body is not valid JSON: {error}", field="body"
        ) from error
    return msgspec.json.encode(members)


def _asking(options: Raw) -> Raw:
    members = _decode_options(options) or {}
    members["include_usage"] = _TRUE
    return Raw(msgspec.json.encode(members))


def _rewrite_large(body: bytes, model: str | None, *, ask_usage: bool) -> bytes:
    """Do the same without an object for each of what may be millions of members."""
    options = _NULL
    runs: list[bytes] = []
    run_start = run_end = 0
    for name, begin, start, end in iterate_members(body):
        plain = read_name(name) if b"\\" in name or not name.isascii() else name[1:-1].decode()
        changes = ask_usage and plain == _OPTIONS
        if changes:
            options = Raw(body[start:end])
        if changes or (model is not None and plain.casefold() == "model"):
            if run_end:
                runs.append(body[run_start:run_end])
            run_end = 0
        else:
            if not run_end:
                run_start = begin
            run_end = end
    if run_end:
        runs.append(body[run_start:run_end])
    if model is not None:
        runs.append(b'"model":' + msgspec.json.encode(model))
    if ask_usage:
        runs.append(b'"stream_options":' + bytes(_asking(options)))
    return b"{" + b",".join(runs) + b"}"
