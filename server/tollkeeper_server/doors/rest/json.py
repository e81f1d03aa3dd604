"""JSON for people, in both directions, driven by the descriptors.

It differs from Protobuf's own JSON (which Connect speaks) in what someone with curl would expect: names
are snake_case, integers of 64 bits are numbers, enum values are short lower-case words (`openai` for
PROVIDER_OPENAI, which is taken, too), and every field is there, `null` if it has no value.
"""

import json
import math
import re
from collections.abc import Iterable
from typing import Any, NoReturn, cast

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from tollkeeper.messages.fields import (
    INTEGERS,
    descriptor_of,
    is_map,
    is_text,
    numbers_of,
    prefix_of,
    words_of,
)
from tollkeeper.messages.lengths import read_duration
from tollkeeper.messages.problems import printable
from tollkeeper.messages.trees import TreeReader

from tollkeeper_server.errors import Reason, TollkeeperError, invalid_argument
from tollkeeper_server.management.refusals import refusal_of

Json = str | int | float | bool | list["Json"] | dict[str, "Json"] | None

_MAX_LENGTH = 100  # of a time, or a length of time
_DECIMAL = re.compile(r"-?[0-9]{1,20}")
_SECONDS = re.compile(
    r"-?[0-9]+(?:\.[0-9]+)?s"
)  # protobuf's form, in which a rule may refuse what is below 0
_UNSPECIFIED = "unspecified"
_TIME = "must be a time as RFC 3339 writes it, such as 2026-01-31T12:00:00Z"
_LENGTH = 'must be a length of time with its unit (ms, s, m, h, d or w), such as "30s", "1m30s" or "500ms"'


def to_json(message: Message) -> dict[str, Json]:
    """Return a message as JSON, every field in the order of its definition."""
    return {field.name: _field_to_json(message, field) for field in descriptor_of(message).fields}


def _field_to_json(message: Message, field: FieldDescriptor) -> Json:
    value = getattr(message, field.name)
    if is_map(field):
        return {name: value[name] for name in sorted(value)}
    if field.is_repeated:
        return [_value_to_json(item, field) for item in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    if field.enum_type is not None and not field.has_presence and value == 0:
        return None
    return _value_to_json(value, field)


def _value_to_json(value: object, field: FieldDescriptor) -> Json:
    if isinstance(value, FieldMask):
        return ",".join(value.paths)
    if isinstance(value, Timestamp | Duration):
        return value.ToJsonString()
    if isinstance(value, Message):
        return to_json(value)
    if field.enum_type is not None:
        assert isinstance(value, int)
        return numbers_of(field.enum_type).get(value, value or _UNSPECIFIED)
    assert isinstance(value, str | int | float)
    return value


def parse_object(body: bytes) -> dict[str, Json]:
    """Return the JSON object that a body holds.

    Raises INVALID_JSON, saying where, or INVALID_ARGUMENT for JSON that is no object.
    """
    try:
        content = json.loads(
            body.decode("utf-8"), object_pairs_hook=_without_repetition, parse_constant=_no_constant
        )
    except json.JSONDecodeError as error:
        raise TollkeeperError(
            Reason.INVALID_JSON,
            f"the body is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}",
        ) from None
    except UnicodeDecodeError as error:
        raise TollkeeperError(
            Reason.INVALID_JSON, f"the body is not valid JSON: no UTF-8 at byte {error.start}"
        ) from None
    except RecursionError:
        raise TollkeeperError(Reason.INVALID_JSON, "the body is nested too deeply") from None
    except ValueError:  # the numbers that Python refuses to read, of thousands of digits
        raise TollkeeperError(Reason.INVALID_JSON, "the body holds a number that is out of range") from None
    if not isinstance(content, dict):
        raise TollkeeperError(Reason.INVALID_ARGUMENT, "the body must be a JSON object")
    return content


def _without_repetition(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    content = dict(pairs)
    if len(content) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise invalid_argument(printable(name), "is given twice")
            seen.add(name)
    return content


def _no_constant(name: str) -> NoReturn:
    raise TollkeeperError(Reason.INVALID_JSON, f"the body is not valid JSON: {name} is no JSON")


def from_json(content: dict[str, Json], message: Message) -> None:
    """Fill an empty message. A field that is `null` stays unset.

    Raises INVALID_ARGUMENT naming every field that is wrong, and never showing its value.
    """
    reader = _Reader()
    reader.fill(message, content)
    if reader.problems.found:
        raise refusal_of(reader.problems.found)


class _Reader(TreeReader[Json]):
    """Reads JSON's values."""

    not_a_mapping = "must be a JSON object"

    def is_null(self, node: Json) -> bool:
        return node is None

    def names(self, node: Json) -> Iterable[tuple[str, Json]] | None:
        return node.items() if isinstance(node, dict) else None

    def items(self, node: Json) -> Iterable[Json] | None:
        return node if isinstance(node, list) else None

    def wrong(self, path: str, node: Json, why: str) -> None:  # noqa: ARG002 - JSON knows no lines
        self.problems.add(path, why)

    def well_known(self, node: Json, message: Any) -> None:
        if isinstance(message, FieldMask):
            message.paths.extend(_paths(node))
            return
        is_time = isinstance(message, Timestamp)
        try:
            if isinstance(node, str) and len(node) <= _MAX_LENGTH:
                if is_time or _SECONDS.fullmatch(node):
                    message.FromJsonString(node)
                else:
                    message.CopyFrom(read_duration(node))
                return
        except (ValueError, OverflowError):
            pass  # the value is not shown
        raise ValueError(_TIME if is_time else _LENGTH)

    def scalar(self, node: Json, field: FieldDescriptor) -> str | int | float | bool:
        if field.enum_type is not None:
            return _enum(node, field)
        if is_text(field):
            if not isinstance(node, str):
                raise ValueError("must be a string")
            return node
        if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            if not isinstance(node, bool):
                raise ValueError("must be true or false")
            return node
        if field.cpp_type in INTEGERS:
            return _integer(node)
        if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
            return _number(node)
        raise TypeError(f"{field.full_name} is of a kind that this JSON has no form for")


def _paths(value: Json) -> list[str]:
    paths = value.split(",") if isinstance(value, str) else value
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise ValueError("must be the names of fields, separated by commas")
    return [path.strip() for path in cast("list[str]", paths) if path.strip()]


def _integer(value: Json) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return int(value)
    raise ValueError("must be a whole number")


def _number(value: Json) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    raise ValueError("must be a number, such as 0.5")


def _enum(value: Json, field: FieldDescriptor) -> int:
    enum = field.enum_type
    assert enum is not None
    if isinstance(value, str):
        # A dict of our own: protobuf's raises SystemError for a lone surrogate.
        numbers = {it.name: it.number for it in enum.values}
        for name in (value.upper(), prefix_of(enum) + value.upper()):
            if name in numbers:
                return numbers[name]
    elif isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"must be one of {', '.join(words_of(enum))}")
