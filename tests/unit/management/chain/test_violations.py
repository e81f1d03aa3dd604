"""Refusals of protovalidate's name the field and say in words what it must be."""

from collections.abc import Iterator

import pytest
from buf.validate import validate_pb2
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message
from protovalidate import Validator
from tollkeeper.services import SERVICES
from tollkeeper.v1 import group_service_pb2, limit_pb2, price_pb2, traffic_pb2, upstream_service_pb2
from tollkeeper_server.management.chain.violations import WORDS, refusal

LINES = "canary\r\nX-Evil: 1"


def _upstream(name: str = "X-A", value: str = "a") -> Message:
    insert = upstream_service_pb2.HEADER_ACTION_INSERT
    operation = upstream_service_pb2.HeaderOperation(action=insert, name=name, value=value)
    return upstream_service_pb2.CreateUpstreamRequest(
        name="a", provider=upstream_service_pb2.PROVIDER_OPENAI, header_operations=[operation]
    )


def _group(name: str = "g", user_agent: str = "", session_header: str = "") -> Message:
    policy = traffic_pb2.TrafficPolicy(user_agent=user_agent, session_header=session_header)
    members = [group_service_pb2.Member(upstream="a", weight=1)]
    return group_service_pb2.CreateGroupRequest(name=name, members=members, policy=policy)


@pytest.mark.parametrize(
    ("request_message", "field", "words"),
    [
        (_upstream(value=LINES), "header_operations[0].value", "printable ASCII, without line breaks"),
        (_upstream(name=LINES), "header_operations[0].name", "the name of a header"),
        (_group(user_agent=LINES), "policy.user_agent", "printable ASCII, without line breaks"),
        (_group(session_header=LINES), "policy.session_header", "the name of a header"),
        (
            limit_pb2.Limit(measure=limit_pb2.LIMIT_MEASURE_UNSPECIFIED, amount=1),
            "measure",
            "one of its values",
        ),
        (_group(name=LINES), "name", "letters, digits, dots, dashes and underscores"),
    ],
)
def test_a_line_break_is_refused_in_words(request_message: Message, field: str, words: str) -> None:
    error = refusal(Validator().collect_violations(request_message))

    assert error.field == field
    assert f"{field}: must be" in error.message
    assert words in error.message
    assert "regex" not in error.message
    assert "canary" not in error.message


def patterns(file: FileDescriptor) -> Iterator[tuple[str, str]]:
    """Yield the fields of a file whose texts have a pattern, and the pattern."""
    for message in file.message_types_by_name.values():
        for field in message.fields:
            rules = field.GetOptions().Extensions[validate_pb2.field]
            maps = rules.map
            for text in (rules.string, rules.repeated.items.string, maps.keys.string, maps.values.string):
                if text.pattern:
                    yield field.full_name, text.pattern


FILES = [*(it.file for it in SERVICES), limit_pb2.DESCRIPTOR, traffic_pb2.DESCRIPTOR, price_pb2.DESCRIPTOR]


def test_every_pattern_is_said_in_words() -> None:
    wordless = [name for file in FILES for name, pattern in patterns(file) if pattern not in WORDS]

    assert wordless == []
    assert WORDS.keys() == {pattern for file in FILES for _, pattern in patterns(file)}
