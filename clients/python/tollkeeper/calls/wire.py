"""Times, durations, enums and masks between Python and protobuf."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from tollkeeper.traffic import Removal

if TYPE_CHECKING:
    from google.protobuf.internal.enum_type_wrapper import _EnumTypeWrapper

T = TypeVar("T")
Word = TypeVar("Word", bound=StrEnum)
Number = TypeVar("Number", bound=int)


def timestamp(field: str, moment: datetime | None) -> Timestamp | None:
    """Returns the timestamp of an aware datetime. Raises `ValueError` naming `field` for a naive one."""
    if moment is None:
        return None
    if moment.utcoffset() is None:
        raise ValueError(f"{field}: needs a time zone, such as datetime.now(UTC)")
    written = Timestamp()
    written.FromDatetime(moment)
    return written


def moment(written: Timestamp) -> datetime:
    """Returns the aware UTC datetime of a timestamp, to the microsecond."""
    return written.ToDatetime(tzinfo=UTC)


def duration(length: timedelta | None) -> Duration | None:
    """Returns the duration of a timedelta, or None."""
    if length is None:
        return None
    written = Duration()
    written.FromTimedelta(length)
    return written


def length(message: Message, field: str) -> timedelta | None:
    """Returns the length of time that a field of a message holds, or None if it is unset."""
    return getattr(message, field).ToTimedelta() if message.HasField(field) else None


def given(value: T | Removal | None) -> T | None:
    """Returns a value, or None if there is none or it is to be taken away."""
    return None if isinstance(value, Removal) else value


def number(enum: "_EnumTypeWrapper[Number]", word: StrEnum) -> Number:
    """Returns the number of the enum value that `word` is short for. Raises `ValueError` for UNKNOWN."""
    return enum.Value(_prefix(enum) + word.name)


def word(enum: "_EnumTypeWrapper[Number]", words: type[Word], value: Number) -> Word:
    """Returns the short word for an enum's number; UNKNOWN if it is unset, or newer than this client."""
    named = enum.DESCRIPTOR.values_by_number.get(value)
    short = named.name.removeprefix(_prefix(enum)) if named else ""
    return words[short] if short in words.__members__ else words["UNKNOWN"]


def mask(**fields: object) -> FieldMask:
    """Returns the mask of the fields that were given, which are those that are not None."""
    return FieldMask(paths=[name for name, value in fields.items() if value is not None])


def _prefix(enum: "_EnumTypeWrapper[Number]") -> str:
    return enum.DESCRIPTOR.values_by_number[0].name.removesuffix("UNSPECIFIED")
