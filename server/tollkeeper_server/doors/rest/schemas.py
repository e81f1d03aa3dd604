"""JSON Schemas of messages as `json.py` writes and reads them."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from tollkeeper.messages.fields import INTEGERS, is_map, words_of

Schema = dict[str, Any]  # JSON, whose shape OpenAPI defines

_WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "examples": ["30s"]},
    "google.protobuf.FieldMask": {"type": "string"},
}
_LIMITS = {
    "min_len": "minLength",
    "max_len": "maxLength",
    "pattern": "pattern",
    "gte": "minimum",
    "lte": "maximum",
    "min_items": "minItems",
    "max_items": "maxItems",
    "unique": "uniqueItems",
}
_PROSE_LIMITS = ("string", "int32", "int64", "double")


class Schemas:
    """Makes schemas and collects those that have names."""

    def __init__(self, comments: Mapping[str, str]) -> None:
        """Take the comments of what is described, by full name."""
        self._comments = comments
        self.named: dict[str, Schema] = {}

    def of_message(self, message: Descriptor) -> Schema:
        """Return a reference to a message's schema."""
        if message.name not in self.named:
            self.named[message.name] = {}  # a message within itself finds it
            self.named[message.name] = self._object(message, ())
        return {"$ref": f"#/components/schemas/{message.name}"}

    def of_body(self, message: Descriptor, without: Collection[str]) -> Schema:
        """Return the schema of a request's body, which lacks the fields that the path has."""
        schema = {**self._object(message, without), "additionalProperties": False}
        required = [
            field.name for field in message.fields if field.name not in without and _is_required(field)
        ]
        if required:
            schema["required"] = required
        return schema

    def of_field(self, field: FieldDescriptor, *, nullable: bool = True) -> Schema:
        """Return the schema of a field; `nullable` says that it may be null."""
        rules = field.GetOptions().Extensions[validate_pb2.field]
        schema: Schema
        if is_map(field):
            schema = {
                "type": "object",
                "maxProperties": rules.map.max_pairs,
                "propertyNames": _limits(rules.map.keys.string),
                "additionalProperties": {"type": "string", **_limits(rules.map.values.string)},
            }
            if not rules.map.max_pairs:
                schema = {"type": "object", "additionalProperties": {"type": "string"}}
        elif field.is_repeated:
            items = self._value(field)
            kind = rules.repeated.items.WhichOneof("type")
            if kind in _PROSE_LIMITS:
                items |= _limits(getattr(rules.repeated.items, kind))
            schema = {"type": "array", "items": items, **_limits(rules.repeated)}
        else:
            schema = self._value(field)
            kind = rules.WhichOneof("type")
            if kind in _PROSE_LIMITS:
                schema |= _limits(getattr(rules, kind))
            if nullable and (field.has_presence or field.enum_type is not None):
                schema = _or_null(schema)
        comment = self._comments.get(field.full_name)
        if comment:
            schema["description"] = comment
        return schema

    def _object(self, message: Descriptor, without: Collection[str]) -> Schema:
        return {
            "type": "object",
            "description": self._comments.get(message.full_name, ""),
            "properties": {
                field.name: self.of_field(field) for field in message.fields if field.name not in without
            },
        }

    def _value(self, field: FieldDescriptor) -> Schema:
        if field.enum_type is not None:
            return self._enum(field.enum_type)
        if field.message_type is not None:
            known = _WELL_KNOWN.get(field.message_type.full_name)
            return self.of_message(field.message_type) if known is None else dict(known)
        if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            return {"type": "boolean"}
        if field.cpp_type in INTEGERS:
            is_long = field.cpp_type in {FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64}
            return {"type": "integer", "format": "int64" if is_long else "int32"}
        if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
            return {"type": "number", "format": "double"}
        return {"type": "string"}

    def _enum(self, enum: EnumDescriptor) -> Schema:
        self.named.setdefault(
            enum.name,
            {
                "type": "string",
                "description": self._comments.get(enum.full_name, ""),
                "enum": list(words_of(enum)),
            },
        )
        return {"$ref": f"#/components/schemas/{enum.name}"}


def _or_null(schema: Schema) -> Schema:
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def _limits(rules: Any) -> Schema:  # rules of any kind of field
    return {_LIMITS[rule.name]: value for rule, value in rules.ListFields() if rule.name in _LIMITS}


def _is_required(field: FieldDescriptor) -> bool:
    """Return whether leaving a field out breaks a rule."""
    rules = field.GetOptions().Extensions[validate_pb2.field]
    if rules.required or rules.repeated.min_items:
        return True
    if field.has_presence or rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE:
        return False
    text = rules.string
    return bool(text.min_len) or (bool(text.pattern) and re.search(text.pattern, "") is None)
