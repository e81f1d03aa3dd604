"""Query parameters: the fields of a request that are in neither its path nor its body."""

from urllib.parse import parse_qsl

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tollkeeper_server.doors.rest.json import Json, printable, unknown, wrong
from tollkeeper_server.errors import Reason, TollkeeperError

_MOST = 100
_TRUE, _FALSE = {"true", "1"}, {"false", "0"}
_WELL_KNOWN = "google.protobuf."


def read_query(
    query: str, content: dict[str, Json], descriptor: Descriptor, bound: set[str], *, has_body: bool
) -> None:
    """Adds the parameters to `content`: `a.b` is the field `b` of `a`, a repeated field is given repeatedly.

    `bound` are the fields that the path gives. Raises INVALID_ARGUMENT naming the parameter.
    """
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, strict_parsing=bool(query), errors="strict", max_num_fields=_MOST
        )
    except ValueError:
        raise TollkeeperError(
            Reason.INVALID_ARGUMENT, "the query can't be read; write it as name=value&name=value, in UTF-8"
        ) from None
    for name, text in pairs:
        if has_body:
            raise wrong(printable(name), "can't stand in the query of this call; give it in the body")
        if name in bound:
            raise wrong(name, "is in the path already; leave it out of the query")
        _add(content, descriptor, name, text)


def _add(content: dict[str, Json], descriptor: Descriptor, name: str, text: str) -> None:
    *parents, last = name.split(".")
    path = ""
    for parent in parents:
        field = descriptor.fields_by_name.get(parent)
        if field is None or field.message_type is None or not _has_fields(field):
            raise unknown(path, name.removeprefix(path), descriptor.fields_by_name)
        inner = content.setdefault(parent, {})
        assert isinstance(inner, dict), "only this function puts values here"
        content, descriptor, path = inner, field.message_type, f"{path}{parent}."
    field = descriptor.fields_by_name.get(last)
    if field is None:
        raise unknown(path, last, descriptor.fields_by_name)
    if _has_fields(field):
        raise wrong(name, f"can't be given as a whole; give its fields, such as {name}.…")
    if field.is_repeated:
        values = content.setdefault(last, [])
        assert isinstance(values, list), "only this function puts values here"
        values.extend(_value(field, part, name) for part in _parts(field, text))
    elif last in content:
        raise wrong(name, "is given twice")
    else:
        content[last] = _value(field, text, name)


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
        raise wrong(name, "must be true or false")
    return text.lower() in _TRUE
