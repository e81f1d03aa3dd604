"""Requests with a content coding are read, policed and metered as others, and forwarded as they came."""

import gzip
import json

import pytest
from tollkeeper_server.domain.usage import Confidence
from tollkeeper_server.snapshot.model import Header

from tests.coded import CODINGS
from tests.unit.dataplane.caller import Caller
from tests.unit.dataplane.configured import member_on, route, snapshot, target, token
from tests.unit.dataplane.gateway import Bench

BODY = b'{ "model": "gpt-4o",  "messages": [{"role": "user", "content": "Hello"}] }'
ANSWER = b'{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}'
FORM = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper\r\n--b--\r\n'
CODED_FORM = gzip.compress(FORM)
FORM_TYPE: Header = (b"content-type", b"multipart/form-data; boundary=b")


def _sent_encodings(bench: Bench) -> list[bytes]:
    return [value for name, value in bench.transport.only.headers if name == b"content-encoding"]


@pytest.mark.parametrize("name", CODINGS)
@pytest.mark.parametrize("declare", [True, False])
async def test_a_coded_body_is_read_and_forwarded_byte_for_byte(name: str, declare: bool) -> None:
    coding, code = CODINGS[name]
    bench = Bench()
    bench.answers(ANSWER)
    coded = code(BODY)

    reply = await Caller(
        body=[coded[:9], coded[9:]], headers=[(b"content-encoding", coding)], declare=declare
    ).call(bench.plane)

    assert (reply.status, reply.body) == (200, ANSWER)
    assert bench.transport.bodies == [coded]
    assert _sent_encodings(bench) == [coding]
    event = bench.journal.only
    assert (event.model_asked, event.tokens.prompt, event.tokens.confidence) == (
        "gpt-4o",
        3,
        Confidence.EXACT,
    )
    assert event.request_bytes == len(coded)


async def test_several_codings_are_forwarded_as_they_came() -> None:
    bench = Bench()
    bench.answers(ANSWER)
    coded = CODINGS["zstd"][1](gzip.compress(BODY))

    await Caller(body=coded, headers=[(b"content-encoding", b"gzip, zstd")]).call(bench.plane)

    assert bench.transport.bodies == [coded]
    assert _sent_encodings(bench) == [b"gzip, zstd"]


async def test_identity_is_no_coding() -> None:
    bench = Bench()
    bench.answers(ANSWER)

    reply = await Caller(body=BODY, headers=[(b"content-encoding", b"identity")]).call(bench.plane)

    assert (reply.status, bench.transport.bodies) == (200, [BODY])


@pytest.mark.parametrize("name", CODINGS)
async def test_a_body_that_must_change_goes_up_without_its_coding(name: str) -> None:
    coding, code = CODINGS[name]
    bench = Bench(snapshot(route("gpt-4o", member_on(target(), "gpt-4o-2024"))))
    bench.answers(ANSWER)

    await Caller(body=code(BODY), headers=[(b"content-encoding", coding)]).call(bench.plane)

    assert json.loads(bench.transport.bodies[0])["model"] == "gpt-4o-2024"
    assert _sent_encodings(bench) == []


async def test_a_coded_stream_is_asked_for_its_usage() -> None:
    bench = Bench()
    bench.streams(b'data: {"choices":[]}\n\n', b"data: [DONE]\n\n")

    await Caller(
        body=gzip.compress(BODY[:-1] + b',"stream":true}'), headers=[(b"content-encoding", b"gzip")]
    ).call(bench.plane)

    assert json.loads(bench.transport.bodies[0])["stream_options"] == {"include_usage": True}
    assert _sent_encodings(bench) == []


async def test_what_an_upstream_gets_of_a_limited_token_is_what_was_permitted() -> None:
    bench = Bench(known=token(allowed_models=("gpt-4o",)))
    bench.answers(ANSWER)
    smuggled = gzip.compress(b'{"model":"forbidden","model":"gpt-4o"}')

    await Caller(body=smuggled, headers=[(b"content-encoding", b"gzip")]).call(bench.plane)

    assert bench.transport.bodies == [b'{"model":"gpt-4o"}']
    assert _sent_encodings(bench) == []


async def test_no_model_hides_in_the_coding_of_a_limited_tokens_form() -> None:
    known = token(allowed_models=("whisper",))
    bench = Bench(snapshot(route("whisper", member_on(target()))), known)
    bench.answers(ANSWER)
    # A name of a file in gzip's header (RFC 1952, 2.3) is a form to servers that ignore the coding.
    hidden = b"\r\n" + FORM.replace(b"whisper", b"forbidden") + b"\0"
    smuggled = CODED_FORM[:3] + b"\x08" + CODED_FORM[4:10] + hidden + CODED_FORM[10:]
    headers: list[Header] = [FORM_TYPE, (b"content-encoding", b"gzip")]

    await Caller(path="/v1/audio/transcriptions", body=smuggled, headers=headers).call(bench.plane)

    assert bench.transport.bodies == [FORM]
    assert _sent_encodings(bench) == []


async def test_a_model_within_a_coded_body_is_refused_as_any_other() -> None:
    bench = Bench(known=token(allowed_models=("claude",)))

    reply = await Caller(body=gzip.compress(BODY), headers=[(b"content-encoding", b"gzip")]).call(bench.plane)

    assert (reply.status, bench.transport.requests) == (403, [])


async def test_an_estimate_goes_by_what_the_body_stands_for() -> None:
    bench = Bench()
    bench.answers(b'{"choices":[]}')
    body = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "word " * 800}]})

    await Caller(body=gzip.compress(body.encode()), headers=[(b"content-encoding", b"gzip")]).call(
        bench.plane
    )

    tokens = bench.journal.only.tokens
    assert (tokens.prompt, tokens.confidence) == (1000, Confidence.ESTIMATED)


@pytest.mark.parametrize(
    ("upstream_model", "sent", "encodings"),
    [("whisper", CODED_FORM, [b"gzip"]), ("w-1", FORM.replace(b"whisper", b"w-1"), [])],
    ids=["as it came", "renamed"],
)
async def test_a_coded_form_is_read_and_renamed(
    upstream_model: str, sent: bytes, encodings: list[bytes]
) -> None:
    bench = Bench(snapshot(route("whisper", member_on(target(), upstream_model))))
    bench.answers(b'{"text":"hi"}')

    await Caller(
        path="/v1/audio/transcriptions",
        body=CODED_FORM,
        headers=[FORM_TYPE, (b"content-encoding", b"gzip")],
    ).call(bench.plane)

    assert bench.transport.bodies == [sent]
    assert _sent_encodings(bench) == encodings


@pytest.mark.parametrize("coding", [b"gzip", b"compress"])
@pytest.mark.parametrize(
    ("path", "kind"), [("/v1/files", FORM_TYPE[1]), ("/v1/anything", b"application/octet-stream")]
)
async def test_what_is_forwarded_unread_may_have_any_coding(path: str, kind: bytes, coding: bytes) -> None:
    bench = Bench()
    bench.answers(b'{"id":"file-1"}')
    body = b"\x1f\x8b whatever it is"

    reply = await Caller(
        path=path, body=body, headers=[(b"content-type", kind), (b"content-encoding", coding)]
    ).call(bench.plane)

    assert (reply.status, bench.transport.bodies) == (200, [body])
    assert _sent_encodings(bench) == [coding]


async def test_a_coding_of_nothing_is_none() -> None:
    bench = Bench()

    reply = await Caller("GET", "/v1/files", headers=[(b"content-encoding", b"compress")]).call(bench.plane)

    assert reply.status == 200


@pytest.mark.parametrize(
    ("coding", "body", "status", "code"),
    [
        (b"compress", BODY, 415, "unsupported_content_encoding"),
        (b"gzip", BODY, 400, "invalid_argument"),
        (b"gzip", gzip.compress(BODY)[:-4], 400, "invalid_argument"),
        (b"gzip", gzip.compress(b"{"), 400, "invalid_json"),
        (b"gzip", gzip.compress(bytes(2 << 20)), 413, "request_too_large"),
    ],
    ids=["unknown", "not coded", "cut", "not JSON", "too large"],
)
async def test_what_can_not_be_decoded_is_told_so_and_reaches_nobody(
    coding: bytes, body: bytes, status: int, code: str
) -> None:
    bench = Bench()

    reply = await Caller(body=body, headers=[(b"content-encoding", coding)]).call(bench.plane)

    assert (reply.status, json.loads(reply.body)["error"]["code"]) == (status, code)
    assert reply.headers.get(b"accept-encoding", b"") == (
        b"gzip, deflate, br, zstd" if status == 415 else b""
    )
    assert bench.transport.requests == []
    assert bench.journal.only.error_code == code
