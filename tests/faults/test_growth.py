"""Work on what others send grows with its size, and not with the square of it."""

import contextlib
import gc
import time
from collections.abc import Callable, Iterable
from functools import partial

import pytest
from protovalidate import Validator
from tollkeeper.configuration import ConfigurationError, parse_document
from tollkeeper_server.dataplane.budget.asked import MAXIMA, read_asked
from tollkeeper_server.dataplane.reply import apart
from tollkeeper_server.dataplane.reply.events import single_events, take_whole, without_usage
from tollkeeper_server.dataplane.reply.kept_page import read_page
from tollkeeper_server.dataplane.reply.meter import StreamMeter
from tollkeeper_server.dataplane.reply.thing_ids import made_beside, told_names
from tollkeeper_server.dataplane.reply.told import KEPT, told_ids
from tollkeeper_server.dataplane.request.form import find_model
from tollkeeper_server.dataplane.request.kept_path import query_references
from tollkeeper_server.dataplane.request.named import find_named
from tollkeeper_server.dataplane.request.peek import peek_json
from tollkeeper_server.dataplane.request.references import Reference, Referred, walk_references
from tollkeeper_server.doors.connect import decode_json
from tollkeeper_server.doors.rest.json import from_json, parse_object
from tollkeeper_server.doors.rest.query import read_query
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.management.chain.registry import methods, new_request
from tollkeeper_server.management.chain.violations import check_lists, refusal
from tollkeeper_server.providers.dialects.openai import CHAT
from tollkeeper_server.providers.members import read_object, scan_members, without_member
from tollkeeper_server.providers.pages import asked_pages
from tollkeeper_server.providers.searches import count_searches

SMALL, TIMES = 16 * 1024, 16
QUICK_SECONDS = 0.15
"""The processor's time that is not looked at: too little to say how it grows."""
METHODS = {method.name: method for method in methods()}
VALIDATOR = Validator()
FORM = b"multipart/form-data; boundary=x"
PART = b"--x\r\nContent-Disposition: form-data; name="


def rest(method: str, body: bytes) -> None:
    """Read a call over REST."""
    message = new_request(METHODS[method])
    from_json(parse_object(body), message)
    hold(message)


def connect(method: str, body: bytes) -> None:
    """Read a call over Connect."""
    hold(decode_json(new_request(METHODS[method]), body))


def binary(method: str, body: bytes) -> None:
    """Read a call over gRPC."""
    message = new_request(METHODS[method])
    message.ParseFromString(body)
    hold(message)


def hold(message: object) -> None:
    """Hold a request to its rules."""
    check_lists(message)  # type: ignore[arg-type]  # it is a message
    if violations := VALIDATOR.collect_violations(message):  # type: ignore[arg-type]  # as above
        raise refusal(violations)


def many(form: str, size: int, join: str = ",") -> bytes:
    """Return numbered texts of so many bytes in all."""
    return join.join(form.replace("#", str(number)) for number in range(size // (len(form) + 4))).encode()


def in_pieces(data: bytes) -> None:
    """Take a stream's events out of pieces."""
    held = bytearray()
    for at in range(0, len(data), 1000):
        take_whole(held, data[at : at + 1000])


def file(text: str) -> None:
    """Read a configuration file."""
    parse_document(text)


USAGE = '{"usage":{"prompt_tokens":1},"choices":[{"delta":{"role":"assistant"}}]}'
clear = partial(without_usage, ended=lambda events: b"never" in events)
clear_metered = partial(without_usage, ended=StreamMeter(CHAT).ended_by)
named = partial(find_named, has_model=False)
scan = partial(scan_members, names={"usage"})
asked = partial(read_asked, maxima=MAXIMA["chat_completions"], is_large=True)

CASES: dict[str, Callable[[int], Callable[[], object]]] = {
    "members over REST": lambda n: partial(rest, "CreateProject", b"{" + many('"a#":1', n) + b"}"),
    "the last member twice": lambda n: partial(
        rest, "CreateProject", b"{" + many('"a#":1', n) + b',"z":1,"z":2}'
    ),
    "members within members": lambda n: partial(
        rest, "CreateProject", b'{"a":' * (n // 6) + b"1" + b"}" * (n // 6)
    ),
    "lists within lists": lambda n: partial(
        rest, "CreateProject", b'{"name":' + b"[" * (n // 2) + b"]" * (n // 2) + b"}"
    ),
    "texts against the rules": lambda n: partial(
        rest, "CreateToken", b'{"allowed_models":[' + b'"",' * (n // 3) + b'""]}'
    ),
    "values of a wrong type": lambda n: partial(
        rest, "CreateToken", b'{"allowed_models":[' + b"1," * (n // 2) + b"1]}"
    ),
    "objects against the rules": lambda n: partial(
        rest, "CreateModel", b'{"deployments":[' + b"{}," * (n // 3) + b"{}]}"
    ),
    "messages against the rules": lambda n: partial(binary, "CreateModel", b"\x12\0" * (n // 2)),
    "a number of digits": lambda n: partial(rest, "CreateToken", b'{"max_requests":' + b"9" * n + b"}"),
    "an exponent of digits": lambda n: partial(rest, "CreateToken", b'{"max_requests":1e' + b"9" * n + b"}"),
    "a length of time": lambda n: partial(
        rest, "CreateUpstream", b'{"timeouts":{"connect":"' + b"1s" * (n // 2) + b'"}}'
    ),
    "a time": lambda n: partial(
        rest, "CreateToken", b'{"expires_at":"2026-01-01T00:00:00.' + b"0" * n + b'Z"}'
    ),
    "a mask": lambda n: partial(rest, "UpdateToken", b'{"update_mask":"' + b"a," * (n // 2) + b'"}'),
    "members over Connect": lambda n: partial(connect, "CreateProject", b"{" + many('"a#":1', n) + b"}"),
    "a mask over Connect": lambda n: partial(
        connect, "UpdateToken", b'{"updateMask":"' + b"aB," * (n // 3) + b'a"}'
    ),
    "a query of many": lambda n: partial(query, "a=1&" * (n // 4)),
    "a query of dots": lambda n: partial(query, "a." * (n // 2) + "=1"),
    "a query of commas": lambda n: partial(query, "group_by=" + "a," * (n // 2)),
    "a body of members": lambda n: partial(peek_json, b'{"a":' * (n // 6) + b"1" + b"}" * (n // 6)),
    "models": lambda n: partial(named, b'{"models":[' + b'"a",' * (n // 4) + b'"b"]}'),
    "backslashes in a model": lambda n: partial(named, b'{"models":["' + b"\\\\" * (n // 2) + b'"]}'),
    "quotes in a model": lambda n: partial(named, b'{"models":["' + b'\\"' * (n // 2) + b'"]}'),
    "blanks before a colon": lambda n: partial(named, b'{"models"' + b" " * n + b':["a"]}'),
    "images in a prompt": lambda n: partial(
        asked, b'{"m":[' + b'{"type":"image_url","url":"data:image/png;base64,AAAA"},' * (n // 55) + b"1]}"
    ),
    "what begins as an image": lambda n: partial(
        asked, b'{"type":"image","m":"' + b"data:image/png;base64," * (n // 22) + b'"}'
    ),
    "data of no image": lambda n: partial(
        asked, b'{"type":"image","m":[' + b'"data","data"   ,' * (n // 17) + b"1]}"
    ),
    "blanks before a kind": lambda n: partial(read_asked, b'{"type"' + b" " * n + b':"image"}', ()),
    "kinds of parts": lambda n: partial(read_asked, b"[" + b'{"type":"image"},' * (n // 17) + b"1]", ()),
    "escapes of letters": lambda n: partial(asked, b'{"a":"' + b"\\u0061" * (n // 6) + b'"}'),
    "backslashes before a letter": lambda n: partial(asked, b'{"a":"\\u0061' + b"\\\\" * (n // 2) + b'"}'),
    "prompts": lambda n: partial(
        read_asked, b'{"prompt":[' + b'"",' * (n // 3) + b'""]}', (), is_large=True, each_prompt=True
    ),
    "parts of a form": lambda n: partial(find_model, (PART + b"a\r\n\r\n\r\n") * (n // 50) + b"--x--", FORM),
    "blanks in a part's head": lambda n: partial(
        find_model, b"--x\r\na:" + b" " * n + b"b\r\n\r\n--x--", FORM
    ),
    "dashes": lambda n: partial(find_model, b"-" * n, b"multipart/form-data; boundary=-"),
    "a file's name": lambda n: partial(
        find_model, PART + b'a; filename="' + b"name=" * (min(n, 15_000) // 5) + b'"\r\n\r\n\r\n--x--', FORM
    ),
    "events with CRLF": lambda n: partial(clear, many("data: #\r\n\r\n", n, "")),
    "events with usage": lambda n: partial(clear_metered, many(f"data: {USAGE}\r\n\r\n", n, "")),
    "lines of an event": lambda n: partial(
        clear, b'data: {"usage":{}\n' + b"data: \n" * (n // 7) + b"data: }\n\n"
    ),
    "nulls in an event": lambda n: partial(
        clear, b'data: {"a":1' + b' ,"usage" : null' * (n // 16) + b"}\n\n"
    ),
    "one event in pieces": lambda n: partial(in_pieces, b"data: " + b"x" * n),
    "line breaks": lambda n: partial(single_events, b"\r\n" * (n // 2)),
    "an unfinished text": lambda n: partial(scan, b'{"a":"' + b'\\"' * (n // 2)),
    "unfinished lists": lambda n: partial(scan, b'{"a":' + b"[" * n),
    "NaN within objects": lambda n: partial(
        read_object, b'{"usage":' * 4 + b'{"a":NaN,' * (n // 9) + b"1", {"usage"}
    ),
    "pages that are named often": lambda n: partial(asked_pages, b"{" + many('"pages":[1]', n) + b"}"),
    "searches that are no JSON": lambda n: partial(
        count_searches, b"[" + b'{"type":"web_search_call","a":NaN},' * (n // 35) + b"1]"
    ),
    "a member many times": lambda n: partial(
        without_member, b"{" + b'"usage":1,' * (n // 10) + b'"a":1}', "usage"
    ),
    "ids in a query": lambda n: partial(refer, query_references(b"after=" + b"a/1," * (n // 4))),
    "slashes in a query": lambda n: partial(refer, query_references(b"x=1" + b"/" * n + b"1")),
    "names of resources": lambda n: partial(
        walk, b'{"fileUri":[' + b'"https://x/y/files/1",' * (n // 22) + b'"x"]}'
    ),
    "a long name of a resource": lambda n: partial(walk, b'{"fileUri":"' + b"a/" * (n // 2) + b'"}'),
    "ids in an answer": lambda n: partial(apart._read, b"[" + b'{"id":"a-1"},' * (n // 13) + b"1]"),
    "ids in lines": lambda n: partial(apart._read, many('{"id":"a#"}\n', n, "")),
    "names in what is no JSON": lambda n: partial(apart._read, b'"' + b"a" * (n // 2) + b'"a' * (n // 4)),
    "arrays in an answer": lambda n: partial(apart._read, b"[" * n),
    "what an answer repeats": lambda n: partial(
        made_beside, b'{"id":"x-1"}', b'{"a":"' + b"\\u0061" * (n // 6) + b'"}', b""
    ),
    "a resource's name": lambda n: partial(told_names, b'{"name":"' + b"a/" * (n // 2) + b'"}'),
    "told ids": lambda n: partial(told_ids, b'{"data":[' + b'{"id":"a"},' * (n // 11) + b"NaN]}", KEPT),
    "arrays of told ids": lambda n: partial(told_ids, b'{"id":' + b"[" * n, KEPT),
    "things in a page": lambda n: partial(read_page, b"[" + b'{"id":"a"},' * (n // 11) + b'{"id":"a"}]'),
    "members of a page": lambda n: partial(read_list, b"{" + many('"a#":[],', n, "") + b'"a":1}'),
    "names in a file": lambda n: partial(file, many("a#: 1\n", n, "").decode()),
    "aliases in a file": lambda n: partial(file, "models: &a []\n" + many("a#: *a\n", n, "").decode()),
    "merges in a file": lambda n: partial(file, "a: &a {x: 1}\nb:\n  <<: [" + "*a," * (n // 3) + "*a]\n"),
    "items in a file": lambda n: partial(file, "models:\n" + "- a\n" * (n // 4)),
    "references in a file": lambda n: partial(file, 'upstreams:\n- api_key: "' + "${A" * (n // 3) + '"\n'),
}


def refer(references: Iterable[Reference]) -> None:
    """Collect references."""
    Referred().add(references)


def walk(body: bytes) -> None:
    """Find what a body refers to."""
    for _ in walk_references(body, Referred()):
        pass


def read_list(body: bytes) -> None:
    """Read a page, which may be none."""
    with contextlib.suppress(ValueError):
        read_page(body)


def query(text: str) -> None:
    """Read a query."""
    read_query(text, {}, METHODS["ListUsageEvents"].input_type, set(), has_body=False)


def seconds_of(work: Callable[[], object]) -> float:
    """Return the processor's time that this thread takes for work, which may be refused.

    The garbage collector is left out: it looks through all that the tests before have left.
    """
    gc.disable()
    try:
        began = time.thread_time()
        with contextlib.suppress(TollkeeperError, ConfigurationError):
            work()
        return time.thread_time() - began
    finally:
        gc.enable()


@pytest.mark.parametrize("name", CASES)
def test_sixteen_times_as_much_takes_no_more_than_that_and_a_little(name: str) -> None:
    small, large = CASES[name](SMALL), CASES[name](SMALL * TIMES)
    if (took := seconds_of(large)) > QUICK_SECONDS:
        assert took < 4 * TIMES * max(map(seconds_of, [small] * 3))
        assert took < 3
