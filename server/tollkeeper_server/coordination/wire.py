"""The encoding of entries of the shared caches and of messages about changes."""

import msgspec

from tollkeeper_server.coordination.ports import Change, Unknown
from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.domain.token import Token

REVISION_DIGITS = 16


class Message(msgspec.Struct, frozen=True):
    """A change, and the process that announces it."""

    sender: str
    change: Change


_TOKEN = msgspec.json.Decoder(Token)
_PLACEMENT = msgspec.json.Decoder(Placement)
_MESSAGE = msgspec.json.Decoder(Message)


def encode_entry(entry: Token | Unknown) -> bytes:
    """Return the revision in `REVISION_DIGITS` digits, then the token as JSON, or nothing if unknown."""
    body = msgspec.json.encode(entry) if isinstance(entry, Token) else b""
    return b"%0*d" % (REVISION_DIGITS, entry.revision) + body


def decode_entry(digest: str, value: bytes) -> Token | Unknown:
    """Return the entry that was encoded. Raises ValueError if it is none, or one of another digest."""
    revision, body = int(value[:REVISION_DIGITS]), value[REVISION_DIGITS:]
    if not body:
        return Unknown(revision)
    token = _TOKEN.decode(body)
    if (token.digest, token.revision) != (digest, revision):
        raise ValueError("the entry is of another digest or revision")
    return token


def encode_placement(placement: Placement) -> bytes:
    """Return the placement as JSON."""
    return msgspec.json.encode(placement)


def decode_placement(placement_id: str, value: bytes) -> Placement:
    """Return the placement that was encoded. Raises ValueError if it is none, or one of another id."""
    placement = _PLACEMENT.decode(value)
    if placement.id != placement_id:
        raise ValueError("the placement is of another id")
    return placement


def encode_message(message: Message) -> bytes:
    """Return the message as JSON."""
    return msgspec.json.encode(message)


def decode_message(data: bytes) -> Message:
    """Return the message that was encoded. Raises ValueError if it is none."""
    return _MESSAGE.decode(data)
