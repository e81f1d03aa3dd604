"""Who makes a change: known from where a call comes in to where the store writes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum

from msgspec import Struct


class Door(StrEnum):
    """The way by which a change came in."""

    GRPC = "grpc"
    CONNECT = "connect"
    REST = "rest"
    FILE = "file"
    DEMO = "demo"
    ROTATION = "rotation"
    """`tollkeeper keys rotate`, which seals secrets again and changes none."""
    UNKNOWN = "unknown"


class Author(Struct, frozen=True, kw_only=True):
    """What is known of who makes a change; what is not known is empty.

    `method` is the management call, such as UpdateUpstream. `caller` says by what the caller has shown who it
    is, `management token`, or `session` and its id. `source` is the caller's address, or the file.
    """

    door: Door = Door.UNKNOWN
    method: str = ""
    caller: str = ""
    source: str = ""
    request_id: str = ""


_NOBODY = Author()
_present: ContextVar[Author] = ContextVar("author", default=_NOBODY)


@contextmanager
def acting(author: Author) -> Iterator[None]:
    """Have all that is changed within, in tasks that begin there too, be changed by `author`."""
    before = _present.set(author)
    try:
        yield
    finally:
        _present.reset(before)


def present_author() -> Author:
    """Return who makes the changes that are made here."""
    return _present.get()
