"""Calls over REST: they are refused in words, or mean the same when they are written again."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import ClassVar
from urllib.parse import parse_qsl

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from protovalidate import Validator
from tollkeeper.messages.fields import INTEGERS, descriptor_of
from tollkeeper_server.doors.http import Request
from tollkeeper_server.doors.rest.door import decode
from tollkeeper_server.doors.rest.json import Json, from_json, parse_object, to_json
from tollkeeper_server.doors.rest.routes import routes
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.management.chain.registry import new_request
from tollkeeper_server.management.chain.violations import check_lists, refusal

from tests.fuzz.target import Target, outcome

_FORM = {"content-type": "application/json"}


class RestCalls(Target):
    """`doors/rest/`. A case is a line with method and target, and the body."""

    name: ClassVar[str] = "rest"
    words: ClassVar[Sequence[bytes]] = (
        b"POST /manage/projects\n", b"PATCH /manage/tokens/a\n", b"GET /manage/usage/events?", b"&a.b=1",
        b"?project_id=%ff", b"&start_time=2026-01-01T00:00:00Z", b',"name":"b"',
        b"POST /manage/configuration:apply\n", b'"name":"a"',
        b'"expires_at":"2026-01-31T12:00:00Z"', b'"connect":"1m30s"', b'"max_requests":1e999999999',
        b'"max_requests":1.5', b'"max_requests":"1.5"', b'"max_requests":18446744073709551617',
        b"&page_size=1.5", b"&page_size=4294967297", b"&page_size=2",
        b'"allowed_models":["a"]', b'"timeouts":{', b'"update_mask":"name,etag"', b"null",
        b'"deployments":[{"upstream":"a"}]', b'"provider":"openai"', b"{", b"}", b"[", b"]", b",", b":",
        b"1.5", b"9" * 400, b"true", b"\\ud800", b'"0s"', b"-1", b"NaN",
    )  # fmt: skip

    def __init__(self) -> None:
        self._routes = routes()
        self._validator = Validator()

    def check(self, data: bytes, random: Random) -> str:
        """Read the call; if it can be, write the request and read that."""
        line, _, body = data.partition(b"\n")
        verb, _, target = line.decode("ascii", "replace").partition(" ")
        path, _, query = target.partition("?")
        try:
            for route in self._routes:
                variables = route.match(path) if route.verb == verb else None
                if variables is not None:
                    break
            else:
                return "no such route"
            message = decode(route, variables, _request(verb, path, query), body)
            _check_query(message, query)
            _check_given(_members(body), to_json(message))
        except TollkeeperError as error:
            return f"{outcome(error)} {verb}"
        try:
            written = json.dumps(to_json(message)).encode()
            again = new_request(route.method)
            from_json(parse_object(written), again)
        except (TollkeeperError, UnicodeEncodeError) as error:
            # An enum's number that has no word can't be written as one.
            return f"read only: {outcome(error)}"
        assert again == message, f"{message} was written as {written!r}"
        try:
            check_lists(message)
            if violations := self._validator.collect_violations(message):
                raise refusal(violations)
        except TollkeeperError as error:
            return f"against the rules: {outcome(error)} {route.method.name}"
        return f"read: {route.method.name}"


def _check_query(message: Message, query: str) -> None:
    """Hold what was read to a query: no field that has one value is named twice, each number is as it is."""
    given = parse_qsl(query, keep_blank_values=True)
    for name, count in Counter(name for name, _ in given).items():
        assert count == 1 or _found(message, name)[0].is_repeated, f"{name} was taken twice"
    for name, text in given:
        field, value = _found(message, name)
        if field.cpp_type in INTEGERS and not field.is_repeated:
            assert _is_number(text, value), f"{text} was read as {value}"


def _found(message: Message, name: str) -> tuple[FieldDescriptor, object]:
    """Return a field by its path, and its value."""
    *parents, last = name.split(".")
    for parent in parents:
        message = getattr(message, parent)
    last, _, _ = last.partition("[")
    return descriptor_of(message).fields_by_name[last], getattr(message, last)


def _is_number(text: str, value: object) -> bool:
    return re.fullmatch("-?[0-9]{1,100}", text) is not None and int(text) == value


class _Object(list[tuple[str, object]]):
    """The members of an object as they are written, those of the same name, too."""


def _members(body: bytes) -> object:
    return json.loads(body, object_pairs_hook=_Object) if body else None


def _check_given(given: object, read: Json) -> None:
    """Hold what was read to what a body gives: each member once, and each number as it is."""
    if isinstance(given, _Object) and isinstance(read, dict):
        assert len({name for name, _ in given}) == len(given), "a member was taken twice"
        for name, value in given:
            _check_given(value, read[name])
    elif isinstance(given, list) and isinstance(read, list):
        for value, one in zip(given, read, strict=True):
            _check_given(value, one)
    elif isinstance(given, int | float) and isinstance(read, int | float):
        assert given == read, f"{given} was read as {read}"
    elif isinstance(given, str) and isinstance(read, int | float):
        assert _is_number(given, read), f"{given!r} was read as {read}"


def _request(verb: str, path: str, query: str) -> Request:
    async def no_body(_: int) -> bytes:
        raise AssertionError("the body is given")

    return Request(verb, path, query, _FORM, no_body)
