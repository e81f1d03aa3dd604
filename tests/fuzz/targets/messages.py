"""Messages over gRPC and Connect: they are refused in words, or hold what was sent."""

from collections.abc import Sequence
from random import Random
from typing import ClassVar

from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from protovalidate import Validator
from tollkeeper_server.doors.connect import decode_json
from tollkeeper_server.doors.grpc_reading import decode
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.management.chain.registry import methods
from tollkeeper_server.management.chain.violations import check_lists, refusal

from tests.fuzz.target import Target, outcome


class Messages(Target):
    """The decoders of gRPC and Connect, and the rules in `proto/`. A case's first byte chooses a method."""

    name: ClassVar[str] = "messages"
    words: ClassVar[Sequence[bytes]] = (
        b"\x0a\x01a", b"\x12\0", b"\x1a\x02\x08\x01", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x0a\xff\xff\xff\x7f", b"\x0b\x0c", b'{"name":"a"}', b'"expiresAt":"2026-01-31T12:00:00Z"',
        b'"maxRequests":"5"', b'"updateMask":"a,bC"', b'"timeouts":{"connect":"1.5s"}', b"{", b"}", b"[",
        b"]", b",", b":", b"null", b"1e999", b"\\ud800", b'"@type"',
    )  # fmt: skip

    def __init__(self) -> None:
        self._methods = [*methods()]
        self._validator = Validator()

    def check(self, data: bytes, random: Random) -> str:
        """Decode it, hold it to the rules, and encode it."""
        method = self._methods[data[0] % len(self._methods)] if data else self._methods[0]
        kind = GetMessageClass(method.input_type)
        content = data[1:]
        is_json = content.lstrip().startswith(b"{")
        try:
            message: Message = decode_json(kind(), content) if is_json else decode(kind, content)
        except TollkeeperError as error:
            return f"{outcome(error)} {is_json}"
        assert kind.FromString(message.SerializeToString()) == message or _has_nan(message)
        try:
            check_lists(message)
            if violations := self._validator.collect_violations(message):
                raise refusal(violations)
        except TollkeeperError as error:
            return f"against the rules: {outcome(error)}"
        return f"read: {method.name} {is_json}"


def _has_nan(message: Message) -> bool:
    return "nan" in json_format.MessageToJson(message).lower()
