"""The YAML form of a configuration, in both directions.

Names are those of the protos, enum values short lower-case words, lengths of time `1m30s` or `500ms`.
Words are taken as they stand: `no` is a text where a text is wanted.
"""

from collections.abc import Callable, Mapping
from typing import Any

import yaml
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from tollkeeper.configuration import tree
from tollkeeper.configuration.errors import ConfigurationError
from tollkeeper.configuration.reading import fill
from tollkeeper.configuration.references import escape, resolve
from tollkeeper.configuration.tree import read_tree
from tollkeeper.messages.fields import is_map, is_secret, numbers_of
from tollkeeper.messages.lengths import write_duration
from tollkeeper.messages.problems import MessageError
from tollkeeper.messages.walker import read_fields
from tollkeeper.v1.configuration_service_pb2 import Configuration
from tollkeeper.v1.model_service_pb2 import CreateModelRequest
from tollkeeper.values.price import DatedPrice
from tollkeeper.values.traffic import Deployment

Value = str | int | float | bool | list["Value"] | dict[str, "Value"]
_Text = Callable[[FieldDescriptor, str], str]
_PRUNED = frozenset({"upstreams", "groups", "models", "listeners"})


def read_document(text: str, environment: Mapping[str, str]) -> Configuration:
    """Return the configuration that a file describes, its references replaced by what `environment` holds.

    Raises `ConfigurationError` naming every place that is wrong.
    """
    return resolve(parse_document(text), environment)


def parse_document(text: str) -> Configuration:
    """Return the configuration that a file describes; secrets stay as they are written, for `resolve`.

    Raises `ConfigurationError` naming every place that is wrong.
    """
    configuration = Configuration()
    root = read_tree(text)
    if root is not None:
        fill(configuration, root)
    return configuration


def read_prices(text: str) -> tuple[DatedPrice, ...]:
    """Return the `prices` that a file has, as a model in a configuration file has them.

    Raises `ConfigurationError` naming every place that is wrong.
    """
    request = CreateModelRequest()
    root = read_tree(text)
    if root is not None:
        fill(request, root)
    try:
        prices = read_fields(Deployment, request, only=("prices",))["prices"]
    except MessageError as error:
        raise ConfigurationError(*(f"{it.path}: {it.why}" for it in error.problems)) from error
    return tuple(prices)


def emptied_kinds(text: str) -> list[str]:
    """Return the kinds whose list is in a file, and empty: `model` for `models: []`.

    Raises `ConfigurationError` for what is not YAML.
    """
    root = read_tree(text)
    lists = root.items() if isinstance(root, tree.Mapping) else ()
    return [name.removesuffix("s") for name, node in lists if name in _PRUNED and _is_empty(node)]


def _is_empty(node: tree.Node) -> bool:
    return node.is_null if isinstance(node, tree.Scalar) else not node.items


def write_document(configuration: Configuration, *, resolved: bool = True) -> str:
    """Return a file that describes the configuration.

    `resolved` says that it holds the secrets themselves; else they are as `parse_document` leaves them.
    """

    def text(field: FieldDescriptor, value: str) -> str:
        return value if is_secret(field) and not resolved else escape(value)

    content = _plain(configuration, text)
    if not content:
        return ""
    return yaml.dump(
        content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=110
    )


def as_values(message: Message) -> dict[str, Value]:
    """Return the fields that are set in a message, as a file has them."""
    return _plain(message, lambda _, value: value)


def _plain(message: Message, text: _Text) -> dict[str, Value]:
    return {field.name: _field(field, value, text) for field, value in message.ListFields()}


def _field(field: FieldDescriptor, value: Any, text: _Text) -> Value:
    if is_map(field):
        return {name: text(field, value[name]) for name in sorted(value)}
    return [_item(field, it, text) for it in value] if field.is_repeated else _item(field, value, text)


def _item(field: FieldDescriptor, value: object, text: _Text) -> Value:
    if isinstance(value, Duration):
        return write_duration(value)
    if isinstance(value, Timestamp):
        return value.ToJsonString()
    if isinstance(value, Message):
        return _plain(value, text)
    if field.enum_type is not None:
        assert isinstance(value, int)
        return numbers_of(field.enum_type)[value]
    if isinstance(value, str):
        return text(field, value)
    assert isinstance(value, bool | int | float), "descriptors of other kinds are not read either"
    return value


class _Dumper(yaml.SafeDumper):
    """Writes lists indented below their names, texts of several lines as such, and nothing by reference."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - PyYAML's signature
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    lines = text.splitlines()
    is_block = (
        len(lines) > 1 and text.isascii() and all(it.isprintable() and it == it.strip() for it in lines)
    )
    # YAML takes more characters for line breaks than Python does; within double quotes they are escaped.
    style = "|" if is_block else None if text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
