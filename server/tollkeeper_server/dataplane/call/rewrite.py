"""Changing single members of a JSON body, and leaving every other value as it was written."""

from collections.abc import Iterator, Mapping

import msgspec
from msgspec import Raw, Struct

from tollkeeper_server.dataplane.aside import LARGE
from tollkeeper_server.dataplane.budget.asked import read_maximum
from tollkeeper_server.dataplane.transport import Parts
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.providers.members import iterate_members, read_name

_decode = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_options = msgspec.json.Decoder(dict[str, Raw] | None).decode
_TRUE = Raw(b"true")
_NULL = Raw(b"null")
_OPTIONS = "stream_options"
_LONGEST_NUMBER = 64


class Maximum(Struct, frozen=True, gc=False):
    """The most tokens of an answer, that members of a request say: `names`, and `usual` if it has none."""

    most: int
    names: tuple[str, ...]
    usual: str

    def of(self, name: str) -> str | None:
        """Return which of the members this is, as servers written in Go read it; None if it is none."""
        folded = name.casefold()
        return folded if folded in self.names else None

    def members(self, said: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return the members, given those that the request has."""
        kept = {name: self._least(written) for name, written in said.items() if written.strip() != b"null"}
        return kept or {self.usual: b"%d" % self.most}

    def _least(self, written: bytes) -> bytes:
        asked = read_maximum(written)
        return b"%d" % (min(asked, self.most) if asked else self.most)


def rewrite_json(
    body: bytes, *, model: str | None = None, ask_usage: bool = False, maximum: Maximum | None = None
) -> bytes:
    """Return the JSON object `body` with another model or maximum, or asking for usage in its stream.

    Values keep their bytes; of members given twice the last stays, which is the one that was looked
    at. With `model`, members that are spelt like it but for their case go, as with `maximum`: upstreams
    written in Go read them as the model. Raises INVALID_JSON where the name of a member is not UTF-8.
    """
    if len(body) > LARGE:
        try:
            return b"".join(_large_in_parts(body, model, maximum, ask_usage=ask_usage))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _invalid(error) from error
    return _rewrite(body, model, ask_usage, maximum)


def _rewrite(body: bytes, model: str | None, ask_usage: bool, maximum: Maximum | None) -> bytes:
    try:
        members = _decode(body)
        if maximum is not None:
            said: dict[str, bytes] = {}
            for name in [name for name in members if maximum.of(name) is not None]:
                value = members.pop(name)
                if name in maximum.names:
                    said[name] = bytes(value)
            members |= {name: Raw(written) for name, written in maximum.members(said).items()}
        if model is not None:
            for name in [name for name in members if name != "model" and name.casefold() == "model"]:
                del members[name]
            members["model"] = Raw(msgspec.json.encode(model))
        if ask_usage:
            members[_OPTIONS] = _asking(members.get(_OPTIONS, _NULL))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _invalid(error) from error
    return msgspec.json.encode(members)


def rewrite_in_parts(
    body: bytes, *, model: str | None = None, ask_usage: bool = False, maximum: Maximum | None = None
) -> bytes | Parts:
    """Return what `rewrite_json` does: of a large body in parts, which have its bytes in common with it."""
    if len(body) <= LARGE:
        return _rewrite(body, model, ask_usage, maximum)
    try:
        return Parts(tuple(_large_in_parts(body, model, maximum, ask_usage=ask_usage)))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _invalid(error) from error


def _invalid(error: Exception) -> TollkeeperError:
    # The peek into the body skipped the names of the other members.
    return TollkeeperError(
        Reason.INVALID_JSON, f"the request's body is not valid JSON: {error}", field="body"
    )


def _asking(options: Raw) -> Raw:
    members = _decode_options(options) or {}
    members["include_usage"] = _TRUE
    return Raw(msgspec.json.encode(members))


def _large_in_parts(
    body: bytes, model: str | None, maximum: Maximum | None, *, ask_usage: bool
) -> Iterator[bytes | memoryview]:
    """Do the same without an object for each of what may be millions of members."""
    options = _NULL
    said: dict[str, bytes] = {}
    view = memoryview(body)
    runs: list[bytes | memoryview] = []
    run_start = run_end = 0
    for name, begin, start, end in iterate_members(body):
        plain = read_name(name) if b"\\" in name or not name.isascii() else name[1:-1].decode()
        changes = ask_usage and plain == _OPTIONS
        if changes:
            options = Raw(body[start:end])
        sets_maximum = maximum is not None and maximum.of(plain) is not None
        if maximum is not None and plain in maximum.names:
            said[plain] = body[start : min(end, start + _LONGEST_NUMBER)]
        if changes or sets_maximum or (model is not None and plain.casefold() == "model"):
            if run_end:
                runs.append(view[run_start:run_end])
            run_end = 0
        else:
            if not run_end:
                run_start = begin
            run_end = end
    if run_end:
        runs.append(view[run_start:run_end])
    if model is not None:
        runs.append(b'"model":' + msgspec.json.encode(model))
    if ask_usage:
        runs.append(b'"stream_options":' + bytes(_asking(options)))
    if maximum is not None:
        runs += (b'"%s":%s' % (name.encode(), value) for name, value in maximum.members(said).items())
    before = b"{"
    for run in runs:
        yield before
        yield run
        before = b","
    yield b"}" if runs else b"{}"
