"""Configuration files: they are refused in words, or hold what PyYAML finds, and can be written again."""

import re
from collections.abc import Sequence
from fractions import Fraction
from random import Random
from typing import ClassVar

import yaml
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from tollkeeper.configuration import (
    ConfigurationError,
    emptied_kinds,
    parse_document,
    resolve,
    write_document,
)
from tollkeeper.messages.fields import INTEGERS, descriptor_of, is_text

from tests.fuzz.target import Target, outcome

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGES = yaml.SafeLoader("")
_SMALL, _FEW = 8192, 10
_NULL = {"", "~", "null", "Null", "NULL"}
_PART = re.compile(r"([0-9.]+)(ms|[wdhms])")
_SECONDS: dict[str, Fraction] = {
    "w": Fraction(604_800),
    "d": Fraction(86_400),
    "h": Fraction(3600),
    "m": Fraction(60),
    "s": Fraction(1),
    "ms": Fraction(1, 1000),
}


class Files(Target):
    """`tollkeeper/configuration/` of the client."""

    name: ClassVar[str] = "files"
    words: ClassVar[Sequence[bytes]] = (
        b"upstreams:\n", b"- name: a\n", b"models:\n", b"  provider: openai\n", b"  api_key: ${KEY}\n",
        b"$${", b"&a ", b"*a", b"<<: *a\n", b"? ", b"!!str ", b"|\n  x\n", b">-\n", b"---\n", b"...\n",
        b"null", b"~", b"1m30s", b"[a, b]", b"{a: b}", b"\t", b"# x\n", b"'", b'"', b": ", b"- ", b"  ",
        b"timeouts: {connect: 1s}\n", b"<<: [*a, *b]\n", b"&b ",
        b"weight: 1.5\n", b"weight: 4294967297\n", b"max_requests: 18446744073709551617\n",
        b"\xc2\x85", b"\xe2\x80\xa8",
    )  # fmt: skip

    def check(self, data: bytes, random: Random) -> str:
        """Read it; if it can be, write it and read that."""
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return "not UTF-8"
        try:
            emptied = emptied_kinds(text)
            configuration = parse_document(text)
        except ConfigurationError as error:
            return outcome(error)
        if len(data) < _SMALL and data.count(b"*") < _FEW:  # the walk writes out what aliases repeat
            _check_given(_composed(text), configuration)
        written = write_document(configuration, resolved=False)
        assert parse_document(written) == configuration, f"it was written as {written!r}"
        try:
            resolve(configuration, {"KEY": "value"})
        except ConfigurationError as error:
            return f"read: {outcome(error)}"
        return f"read: {emptied} {[field.name for field, _ in configuration.ListFields()]}"


def _composed(text: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=_LOADER)
    except yaml.composer.ComposerError:  # it takes no anchor twice, which YAML 1.2 (3.2.2.2) allows
        return None


def _check_given(node: yaml.Node | None, message: Message) -> None:
    """Hold what was read to a file's mapping, as PyYAML merges it: every value is as it is written."""
    if not isinstance(node, yaml.MappingNode):
        return
    _MERGES.flatten_mapping(node)
    fields = descriptor_of(message).fields_by_name
    for name, value in {key.value: value for key, value in node.value}.items():
        field = fields[name]
        found = getattr(message, name)
        if not field.is_repeated:
            _check_value(value, field, found)
        elif isinstance(value, yaml.SequenceNode):
            for item, one in zip(value.value, found, strict=True):
                _check_value(item, field, one)


def _check_value(node: yaml.Node, field: FieldDescriptor, found: object) -> None:
    if isinstance(found, Message) and not isinstance(found, Duration):
        _check_given(node, found)
        return
    if not isinstance(node, yaml.ScalarNode) or (not node.style and node.value in _NULL):
        return
    text: str = node.value
    if isinstance(found, Duration):
        given = sum((Fraction(number) * _SECONDS[unit] for number, unit in _PART.findall(text)), Fraction())
        assert found.ToNanoseconds() == int(given * 10**9), f"{text} was read as {found}"
    elif is_text(field):
        assert "${" in text or text == found, f"{text!r} was read as {found!r}"
    elif field.cpp_type in INTEGERS and field.enum_type is None:
        assert int(text) == found, f"{text} was read as {found}"
    elif field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
        assert float(text) == found, f"{text} was read as {found}"
