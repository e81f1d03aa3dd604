"""Query parameters: the fields of a request that are in neither its path nor its body."""

from urllib.parse import parse_qsl

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from tollkeeper.messages.fields import is_map
from tollkeeper.messages.problems import printable
from tollkeeper.messages.trees import unknown

from tollkeeper_server.doors.rest.json import Json
from tollkeeper_server.errors import Reason, TollkeeperError, invalid_argument
from tollkeeper_server.management.refusals import Refusals

_MOST = 100
_TRUE, _FALSE = {"true", "1"}, {"false", "0"}
_WELL_KNOWN = "google.protobuf."


def read_query(
    query: str, content: dict[str, Json], descriptor: Descriptor, bound: set[str], *, has_body: bool
) -> None:
    """Add the parameters to `content`: `a.b` is the field `b` of `a`, `a[b]` is `b` of a map; a repeated
    field is given repeatedly.

    `bound` are the fields that the path gives. Raises INVALID_ARGUMENT naming the parameters.
    """
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, strict_parsing=bool(query), errors="strict", max_num_fields=_MOST
        )
    except ValueError:
        raise TollkeeperError(
            Reason.INVALID_ARGUMENT, "the query can't be read; write it as name=value&name=value, in UTF-8"
        ) from None
    refusals = Refusals()
    for name, text in pairs:
        if has_body:
            refusals.add(printable(name), "can't stand in the query of this call; give it in the body")
        elif name in bound:
            refusals.add(name, "is in the path already; leave it out of the query")
        else:
            with refusals.collect():
                _add(content, descriptor, name, text)
    refusals.raise_any()


def _add(content: dict[str, Json], descriptor: Descriptor, name: str, text: str) -> None:
    named, bracket, key = name.partition("[")  # what is between brackets may have dots
    *parents, last = named.split(".")
    path = ""
    for parent in parents:
        field = descriptor.fields_by_name.get(parent)
        if field is None or field.message_type is None or is_map(field) or not _has_fields(field):
            raise _unknown(path, name.removeprefix(path), descriptor)
        inner = content.setdefault(parent, {})
        assert isinstance(inner, dict), "only this function puts values here"
        content, descriptor, path = inner, field.message_type, f"{path}{parent}."
    field = descriptor.fields_by_name.get(last)
    if field is None:
        raise _unknown(path, last, descriptor)
    if is_map(field):
        if not key.endswith("]"):
            raise invalid_argument(printable(name), f"needs a name, such as {last}[team]")
        _add_pair(content, field, key[:-1], text)
        return
    if bracket:
        raise _unknown(path, last + bracket + key, descriptor)
    if _has_fields(field):
        raise invalid_argument(name, f"can't be given as a whole; give its fields, such as {name}.…")
    if field.is_repeated:
        values = content.setdefault(last, [])
        assert isinstance(values, list), "only this function puts values here"
        values.extend(_value(field, part, name) for part in _parts(field, text))
    elif last in content:
        raise invalid_argument(name, "is given twice")
    else:
        content[last] = _value(field, text, name)


def _add_pair(content: dict[str, Json], field: FieldDescriptor, key: str, text: str) -> None:
    pairs = content.setdefault(field.name, {})
    assert isinstance(pairs, dict), "only this function puts values here"
    if key in pairs:
        raise invalid_argument(f"{field.name}[{printable(key)}]", "is given twice")
    pairs[key] = text


def _has_fields(field: FieldDescriptor) -> bool:
    message = field.message_type
    return message is not None and not message.full_name.startswith(_WELL_KNOWN)


def _parts(field: FieldDescriptor, text: str) -> list[str]:
    # No enum value holds a comma, so `group_by=project,model` can't be misread.
    return text.split(",") if field.enum_type is not None else [text]


def _value(field: FieldDescriptor, text: str, name: str) -> Json:
    if field.cpp_type != FieldDescriptor.CPPTYPE_BOOL:
        return text
    if text.lower() not in _TRUE | _FALSE:
        raise invalid_argument(name, "must be true or false")
    return text.lower() in _TRUE


def _unknown(path: str, name: str, descriptor: Descriptor) -> TollkeeperError:
    return invalid_argument(path + printable(name), unknown(name, descriptor.fields_by_name, path))
