"""What reaches the upstream, and what comes back: unchanged, but for what must change."""

import base64
import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterator

import pytest
from tollkeeper import Deployment, Provider

from tests.coded import CODINGS
from tests.integration.h2wire import H2Wire
from tests.integration.process import PATIENT, Gateway
from tests.integration.scripted import OK, ScriptedUpstream
from tests.integration.wire import Answer, Wire, ask, bearer, compose

JSON = ("content-type", "application/json")
BODY = b'{"model": "scripted", "messages": []}'
CHAT = "/v1/chat/completions"
UPSTREAM_KEY = "sk-scripted-canary-77d1"

EVENTS = (
    b': a comment\n\ndata: {"choices":[{"delta":{"content":"a"}}]}\n\n'
    b'id: 7\nevent: odd\nretry: 10\ndata: {"choices":[\ndata: ]}\n\n'
    b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\ndata: [DONE]\n\n'
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, listening: ScriptedUpstream) -> Iterator[Gateway]:
    """A gateway before that upstream, which is also its default."""
    with Gateway(tmp_path_factory.mktemp("forwarding"), share_kept="true") as running:
        with running.management() as client:
            client.upstreams.create(
                name="scripted",
                provider=Provider.OPENAI,
                base_url=f"http://{listening.address}/v1",
                api_key=UPSTREAM_KEY,
                is_default=True,
                breaker=PATIENT,
            )
            client.models.create(name="scripted", deployments=[Deployment("scripted")])
            client.models.create(
                name="renamed", aliases=["alias"], deployments=[Deployment("scripted", "its-name-there")]
            )
        yield running


@pytest.fixture(scope="module")
def secret(site: Gateway) -> str:
    """The secret of an unlimited token."""
    return site.new_token()


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def answer(
    status: str, *headers: str, body: bytes = b"", framing: str | None = None, version: str = "1.1"
) -> bytes:
    framing = f"content-length: {len(body)}" if framing is None else framing
    lines = [f"HTTP/{version} {status}", "connection: close", *headers, *([framing] if framing else []), ""]
    return "\r\n".join([*lines, ""]).encode("latin-1") + body


def own_headers(found: Answer) -> list[tuple[str, str]]:
    """Return the answer's headers without those that are the gateway's own, or framing."""
    names = {
        "x-tollkeeper-cost",
        "x-tollkeeper-model",
        "x-tollkeeper-upstream",
        "x-request-id",
        "x-accel-buffering",
        "content-length",
        "transfer-encoding",
        "connection",
        "date",
        "server",
    }
    return [header for header in found.headers if header[0] not in names]


BINARY = bytes(range(256)) * 5
GZIPPED = zlib.compress(b'{"choices": []}', wbits=31)


@pytest.mark.parametrize(
    ("scripted", "status", "headers", "body"),
    [
        pytest.param(
            answer("200 OK", "content-type: application/json", body=b'{ "odd":  1.0e2 }\n'),
            200,
            [JSON],
            b'{ "odd":  1.0e2 }\n',
            id="with a length",
        ),
        pytest.param(
            answer(
                "200 OK",
                "content-type: application/json",
                framing="transfer-encoding: chunked",
                body=chunked(*(bytes([byte]) for byte in BINARY)),
            ),
            200,
            [JSON],
            BINARY,
            id="in chunks",
        ),
        pytest.param(
            answer("200 OK", "Transfer-Encoding: chunked", body=chunked(BINARY)),
            200,
            [],
            BINARY,
            id="framed twice",
        ),
        pytest.param(
            answer("200", "x-a : b\r\n  c", body=BINARY), 200, [("x-a", "b c")], BINARY, id="folded"
        ),
        pytest.param(
            answer("204 No Content", framing="content-length: 5"), 204, [], b"", id="204 with a length"
        ),
        pytest.param(answer("200 OK", framing="", body=BINARY), 200, [], BINARY, id="framed by the end"),
        pytest.param(answer("200 OK", body=BINARY, version="1.0"), 200, [], BINARY, id="HTTP/1.0"),
        pytest.param(
            b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n" + answer("201 Created", body=b"made"),
            201,
            [],
            b"made",
            id="after an interim answer",
        ),
        pytest.param(
            answer("200 OK", "content-encoding: gzip", body=GZIPPED),
            200,
            [("content-encoding", "gzip")],
            GZIPPED,
            id="compressed",
        ),
        pytest.param(
            answer("200 OK", "x-twice: a=1", "x-odd:  two  ", "x-twice: b=2", "x-empty:", "x-e: \xe9\xff"),
            200,
            [
                ("x-twice", "a=1"),
                ("x-odd", "two"),
                ("x-twice", "b=2"),
                ("x-empty", ""),
                ("x-e", "\xe9\xff"),
            ],
            b"",
            id="headers twice, empty and in Latin-1",
        ),
        pytest.param(
            answer("200 OK", f"x-long: {'a' * 30_000}"),
            200,
            [("x-long", "a" * 30_000)],
            b"",
            id="a long header",
        ),
        pytest.param(
            answer("307 Temporary Redirect", "location: http://elsewhere.test/v1"),
            307,
            [("location", "http://elsewhere.test/v1")],
            b"",
            id="a redirect, not followed",
        ),
        pytest.param(answer("204 No Content", "x-a: b", framing=""), 204, [("x-a", "b")], b"", id="204"),
        pytest.param(
            answer("304 Not Modified", 'etag: "e"', framing=""), 304, [("etag", '"e"')], b"", id="304"
        ),
        pytest.param(
            answer("429 Too Many Requests", "retry-after: 7", "x-ratelimit-remaining-tokens: 0", body=b"{}"),
            429,
            [("retry-after", "7"), ("x-ratelimit-remaining-tokens", "0")],
            b"{}",
            id="a refusal",
        ),
        *(
            pytest.param(answer(f"{code} Some Phrase", body=b"why"), code, [], b"why", id=str(code))
            for code in (202, 400, 403, 404, 409, 418, 422, 500, 502, 503, 529, 599)
        ),
    ],
)
def test_an_answer_comes_back_unchanged(
    site: Gateway,
    upstream: ScriptedUpstream,
    secret: str,
    scripted: bytes,
    status: int,
    headers: list[tuple[str, str]],
    body: bytes,
) -> None:
    upstream.will_answer(scripted)
    found = ask(site.data, "POST", CHAT, [bearer(secret), JSON], BODY)
    upstream.next_head()
    assert upstream.next_body() == BODY
    assert (found.status, own_headers(found), found.body) == (status, headers, body)


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(EVENTS, id="LF"),
        pytest.param(EVENTS.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(EVENTS[:-1], id="without the last blank line"),
        pytest.param(EVENTS + b": bye\n\n", id="a comment after the end"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 10_000])
def test_a_stream_comes_back_byte_for_byte(
    site: Gateway, upstream: ScriptedUpstream, secret: str, events: bytes, size: int
) -> None:
    pieces = [events[at : at + size] for at in range(0, len(events), size)]
    upstream.will_answer(
        answer(
            "200 OK",
            "content-type: text/event-stream; charset=utf-8",
            "cache-control: no-cache",
            framing="transfer-encoding: chunked",
            body=chunked(*pieces),
        )
    )
    body = b'{"model":"scripted","stream":true,"stream_options":{"include_usage":true}}'
    found = ask(site.data, "POST", CHAT, [bearer(secret), JSON], body)
    upstream.next_head()
    assert upstream.next_body() == body
    assert own_headers(found) == [
        ("content-type", "text/event-stream; charset=utf-8"),
        ("cache-control", "no-cache"),
    ]
    assert found.body == events


def test_hop_by_hop_headers_end_at_the_gateway(
    site: Gateway, upstream: ScriptedUpstream, secret: str
) -> None:
    upstream.will_answer(
        answer(
            "200 OK",
            "connection: x-hop",
            "x-hop: theirs",
            "keep-alive: timeout=5",
            "proxy-authenticate: Basic",
            "trailer: x-after",
            "alt-svc: h3=elsewhere.test",
            "x-accel-redirect: /internal/file",
            "x-sendfile: /etc/hostname",
            "x-end: theirs",
        )
    )
    sent = [
        bearer(secret),
        JSON,
        ("connection", "keep-alive, X-Hop"),
        ("x-hop", "ours"),
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
        ("trailer", "x-after"),
        ("proxy-authorization", "Basic c2VjcmV0"),
        ("proxy-connection", "keep-alive"),
        ("x-end", "ours"),
    ]
    found = ask(site.data, "POST", CHAT, sent, BODY)
    head = upstream.next_head()
    upstream.next_body()
    assert head.header("x-end") == "ours"
    assert head.names == {
        "host", "content-type", "content-length", "accept-encoding", "authorization", "x-end",
    }  # fmt: skip
    assert own_headers(found) == [("x-end", "theirs")]


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        ("transfer-encoding: chunked", chunked(b"in ", b"chunks")),
        ("content-length: 9", b"in chunks"),
        ("", b"in chunks"),
    ],
)
def test_over_http2_the_same_passes(
    site: Gateway, upstream: ScriptedUpstream, secret: str, framing: str, body: bytes
) -> None:
    upstream.will_answer(
        answer("418 I'm a teapot", "X-Upper: V", "keep-alive: timeout=5", framing=framing, body=body)
    )
    with H2Wire(site.console) as wire:
        number = wire.open("POST", f"{CHAT}?a=%20b", [bearer(secret), JSON, ("te", "trailers"), ("x-a", "b")])
        wire.send(number, BODY, ends=True)
        found = wire.answer(number)
    head = upstream.next_head()
    assert (head.line, upstream.next_body()) == (f"POST {CHAT}?a=%20b HTTP/1.1", BODY)
    assert head.names == {
        "host", "content-type", "content-length", "accept-encoding", "authorization", "x-a",
    }  # fmt: skip
    assert head.header("host") == upstream.address
    assert (found.status, found.body, found.headers["x-upper"]) == (418, b"in chunks", "V")
    own = {"x-request-id", "x-tollkeeper-model", "x-tollkeeper-upstream"}
    told = found.headers.keys() - {"content-length", "x-accel-buffering"}
    assert told == {"x-upper", *own}


def test_end_to_end_headers_reach_the_upstream_as_they_were(
    site: Gateway, upstream: ScriptedUpstream, secret: str
) -> None:
    upstream.will_answer(OK)
    sent = [
        ("user-agent", "odd/1.0 (test)"),
        ("accept", "application/json;q=0.9, */*"),
        ("openai-beta", "assistants=v2"),
        ("x-twice", "1"),
        ("x-empty", ""),
        ("x-twice", "2"),
        ("x-utf-8", "caf\xc3\xa9"),
        ("x-long", "b" * 30_000),
        ("idempotency-key", "k-1"),
    ]
    ask(site.data, "POST", CHAT, [*sent, JSON, bearer(secret)], BODY)
    head = upstream.next_head()
    upstream.next_body()
    assert [header for header in head.headers if header[0] in dict(sent)] == sent
    assert head.header("host") == upstream.address


@pytest.mark.parametrize("scheme", ["authorization", "x-api-key", "api-key", "all"])
def test_the_callers_token_never_leaves(
    site: Gateway, upstream: ScriptedUpstream, secret: str, scheme: str
) -> None:
    presented = [bearer(secret), ("x-api-key", secret), ("api-key", secret), ("cookie", f"session={secret}")]
    upstream.will_answer(OK)
    headers = presented if scheme == "all" else [it for it in presented if it[0] == scheme]
    found = ask(site.data, "POST", CHAT, [*headers, JSON], BODY)
    head = upstream.next_head()
    assert upstream.next_body() == BODY
    assert found.status == 200
    assert head.header("authorization") == f"Bearer {UPSTREAM_KEY}"
    assert secret not in str(head)
    assert UPSTREAM_KEY not in str(found)


@pytest.mark.parametrize(
    ("asked", "target"),
    [
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("/chat/completions", "/v1/chat/completions"),
        (
            "/v1/batches?a=1&a=2&empty=&flag&enc=%20%C3%A9+",
            "/v1/batches?a=1&a=2&empty=&flag&enc=%20%C3%A9+",
        ),
        ("/v1/vector_stores/a%2Fb%20c/files?x=%41", "/v1/vector_stores/a%2Fb%20c/files?x=%41"),
        ("/v1/vector_stores/%E2%82%AC", "/v1/vector_stores/%E2%82%AC"),
        ("/v1/new-thing/of:tomorrow", "/v1/new-thing/of:tomorrow"),
        ("/batches", "/v1/batches"),
        ("/v1/responses/", "/v1/responses/"),
    ],
)
def test_paths_and_queries_arrive_as_they_were_written(
    site: Gateway, upstream: ScriptedUpstream, secret: str, asked: str, target: str
) -> None:
    upstream.will_answer(OK)
    assert ask(site.data, "POST", asked, [bearer(secret), JSON], BODY).status == 200
    assert upstream.next_head().line == f"POST {target} HTTP/1.1"
    upstream.next_body()


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PUT", "PATCH", "POST"])
def test_every_method_passes(site: Gateway, upstream: ScriptedUpstream, secret: str, method: str) -> None:
    body = b"" if method == "HEAD" else b"abc"
    upstream.will_answer(answer("200 OK", "x-a: b", framing="content-length: 3", body=body))
    with Wire(site.data) as wire:
        found = wire.ask(method, "/v1/vector_stores/vs_1", [bearer(secret)])
        assert upstream.next_head().line == f"{method} /v1/vector_stores/vs_1 HTTP/1.1"
        assert upstream.next_body() == b""
        assert (found.status, found.header("x-a"), found.body) == (200, "b", body)
        assert found.header("content-length") == "3"
        # The connection is in step: what comes next is the next answer.
        assert wire.ask("GET", "/v1/models", [bearer(secret)]).status == 200


def test_a_body_without_a_length_arrives(site: Gateway, upstream: ScriptedUpstream, secret: str) -> None:
    upstream.will_answer(OK)
    framed = compose("POST", CHAT, [bearer(secret), JSON, ("transfer-encoding", "chunked")])
    with Wire(site.data) as wire:
        wire.send(framed + chunked(BODY[:5], BODY[5:]))
        assert wire.answer().status == 200
    assert upstream.next_head().header("content-length") == str(len(BODY))
    assert upstream.next_body() == BODY


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_coded_body_arrives_as_it_came_or_decoded_if_it_changes(
    site: Gateway, upstream: ScriptedUpstream, secret: str, coding: str
) -> None:
    code = CODINGS[coding][1]
    headers = [bearer(secret), JSON, ("content-encoding", coding), ("transfer-encoding", "chunked")]
    upstream.will_answer(OK)
    with Wire(site.data) as wire:
        wire.send(compose("POST", CHAT, headers) + chunked(code(BODY)[:7], code(BODY)[7:]))
        assert wire.answer().status == 200
    head = upstream.next_head()
    assert (head.header("content-encoding"), head.header("content-length")) == (coding, str(len(code(BODY))))
    assert upstream.next_body() == code(BODY)

    upstream.will_answer(OK)
    assert ask(site.data, "POST", CHAT, headers[:3], code(b'{"model":"renamed"}')).status == 200
    head = upstream.next_head()
    assert head.header("content-encoding") is None
    assert upstream.next_body() == b'{"model":"its-name-there"}'


def test_a_coded_upload_is_streamed_as_it_comes(
    site: Gateway, upstream: ScriptedUpstream, secret: str
) -> None:
    coded = gzip.compress(BINARY * 5000, mtime=0)
    upstream.will_answer(OK)
    headers = [
        bearer(secret),
        ("content-type", "multipart/form-data; boundary=b"),
        ("content-encoding", "gzip"),
    ]
    assert ask(site.data, "POST", "/v1/files", headers, coded).status == 200
    assert upstream.next_head().header("content-encoding") == "gzip"
    assert upstream.next_body() == coded


def test_a_renamed_model_changes_nothing_else_of_json(
    site: Gateway, upstream: ScriptedUpstream, secret: str
) -> None:
    values = {
        "temperature": b"1.0e0",
        "seed": b"123456789012345678901234567890",
        "messages": b'[ {"role" : "user",\n "content":"\\u00e9 \\ud83d\\ude00 \xc3\xa9 model"} ]',
        "metadata": b'{"model": "renamed", "a":  [1.50, -0.0, 1E400]}',
    }
    members = b",\n ".join(b'"%s" : %s' % (name.encode(), value) for name, value in values.items())
    upstream.will_answer(OK)
    found = ask(site.data, "POST", CHAT, [bearer(secret), JSON], b'{"model": "alias", ' + members + b"}")
    assert found.status == 200
    head, body = upstream.next_head(), upstream.next_body()
    assert head.header("content-length") == str(len(body))
    assert json.loads(body)["model"] == "its-name-there"
    for name, value in values.items():
        assert b'"%s":%s' % (name.encode(), value) in body
    assert len(json.loads(body)) == len(values) + 1


def test_a_renamed_model_changes_nothing_else_of_a_form(
    site: Gateway, upstream: ScriptedUpstream, secret: str
) -> None:
    form = (
        b'--b\r\ncontent-disposition: form-data; name="file"; filename="model"\r\n'
        b"content-type: audio/wav\r\n\r\n"
        + BINARY
        + b"\r\n--b\r\nContent-Disposition: form-data; name=model\r\n\r\n%s"
        b'\r\n--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nrenamed\r\n--b--\r\nepilogue'
    )
    upstream.will_answer(OK)
    kind = ("content-type", "multipart/form-data; boundary=b")
    head, _, tail = form.partition(b"%s")
    path = "/v1/audio/transcriptions"
    found = ask(site.data, "POST", path, [bearer(secret), kind], head + b"renamed" + tail)
    assert found.status == 200
    assert upstream.next_head().header("content-type") == kind[1]
    assert upstream.next_body() == head + b"its-name-there" + tail


@pytest.mark.parametrize(
    ("offered", "kept"),
    [
        ("req-1.a_B:c", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("", False),
        ("with space", False),
        ("a;b=c", False),
        ("\xe9", False),
    ],
)
def test_a_request_id_is_kept_if_it_is_well_formed(
    site: Gateway, upstream: ScriptedUpstream, secret: str, offered: str, kept: bool
) -> None:
    upstream.will_answer(answer("200 OK", "x-request-id: theirs", body=b"{}"))
    found = ask(site.data, "POST", CHAT, [bearer(secret), JSON, ("x-request-id", offered)], BODY)
    this_id = found.header("x-request-id")
    assert upstream.next_head().header("x-request-id") == (offered if kept else None)
    upstream.next_body()
    assert found.header("x-upstream-request-id") == "theirs"
    assert this_id is not None
    assert (this_id == offered) is kept
    assert kept or this_id.startswith("req_")


def test_an_upload_is_streamed_and_arrives_whole(
    site: Gateway, upstream: ScriptedUpstream, secret: str
) -> None:
    content = os.urandom(1024 * 1024) * 20
    upstream.will_answer(OK)
    kind = ("content-type", "multipart/form-data; boundary=never-looked-at")
    with Wire(site.data) as wire:
        wire.send(compose("POST", "/v1/files", [bearer(secret), kind, ("content-length", str(len(content)))]))
        wire.send(content[:100_000])
        head = upstream.next_head()  # while most of the body is still here
        assert head.header("content-length") == str(len(content))
        assert head.header("content-type") == kind[1]
        wire.send(content[100_000:])
        assert wire.answer().status == 200
    assert hashlib.sha256(upstream.next_body()).digest() == hashlib.sha256(content).digest()


def test_a_large_answer_arrives_whole_and_is_metered(
    site: Gateway, upstream: ScriptedUpstream, secret: str
) -> None:
    text = base64.b64encode(os.urandom(1024 * 1024)) * 22
    usage = b'{"prompt_tokens":3,"completion_tokens":9}'
    body = b'{"choices":[{"message":{"content":"%s"}}],"usage":%s}' % (text, usage)
    assert len(body) > 30_000_000
    upstream.will_answer(answer("200 OK", "content-type: application/json", body=body))
    found = ask(site.data, "POST", CHAT, [bearer(secret), JSON], BODY)
    upstream.next_head()
    upstream.next_body()
    assert hashlib.sha256(found.body).digest() == hashlib.sha256(body).digest()
    event = site.event_of(found.header("x-request-id") or "")
    assert (event.prompt_tokens, event.completion_tokens, event.response_bytes) == (3, 9, len(body))
