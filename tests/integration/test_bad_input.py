"""Input that is wrong, hostile or nonsense: a clear refusal, nothing leaked, and the next request served."""

import contextlib
import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.integration.process import MANAGEMENT_TOKEN, PROVIDER_KEY, Gateway, Simulator
from tests.integration.wire import Answer, Headers, Wire, ask, bearer, compose, form

JSON = ("content-type", "application/json")
CHAT = "/v1/chat/completions"
BODY = b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}'
MAX_HEADERS = 64 * 1024


@pytest.fixture(autouse=True)
def served_afterwards(gateway: Gateway, token: str) -> object:
    """Whatever a test sends, the gateway serves the next caller and has said no secret."""
    yield
    assert ask(gateway.data, "POST", CHAT, [bearer(token), JSON], BODY).status == 200
    said = gateway.command.said()
    for secret in (token, PROVIDER_KEY, MANAGEMENT_TOKEN):
        assert secret not in said
    assert "Traceback" not in said


def refused(
    answer: Answer, status: int, code: str, *, param: str | None = None, secrets: tuple[str, ...] = ()
) -> str:
    """Asserts that an answer is OpenAI's error, and returns its message."""
    assert (answer.status, answer.error["code"]) == (status, code)
    assert answer.error.keys() == {"message", "type", "param", "code"}
    assert answer.error["param"] == param
    assert answer.header("content-type") == "application/json"
    assert answer.header("x-request-id")
    message = str(answer.error["message"])
    assert len(message) < 1000
    for secret in (PROVIDER_KEY, MANAGEMENT_TOKEN, *secrets):
        assert secret not in str(answer) + answer.body.decode()
    return message


def post(gateway: Gateway, token: str, body: bytes, path: str = CHAT, headers: Headers = (JSON,)) -> Answer:
    return ask(gateway.data, "POST", path, [bearer(token), *headers], body)


# Tokens

CANARY = "sk-tk-canary-0123456789-of-the-caller"


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="none"),
        pytest.param([("authorization", "")], id="empty"),
        pytest.param([("authorization", "Bearer")], id="no token"),
        pytest.param([("authorization", "Bearer  ")], id="blank token"),
        pytest.param([("authorization", f"Basic {CANARY}")], id="another scheme"),
        pytest.param([bearer(CANARY)], id="unknown"),
        pytest.param([("x-api-key", CANARY)], id="unknown, Anthropic's header"),
        pytest.param([("api-key", CANARY)], id="unknown, Azure's header"),
        pytest.param([bearer(f"{CANARY} and more")], id="with spaces"),
        pytest.param([bearer(f"{CANARY}\xe9\xff")], id="not ASCII"),
        pytest.param([bearer(CANARY * 400)], id="15 kB"),
        pytest.param([bearer(PROVIDER_KEY)], id="the provider's key"),
        pytest.param([bearer(MANAGEMENT_TOKEN)], id="the management token"),
    ],
)
def test_a_token_that_is_none(gateway: Gateway, headers: Headers) -> None:
    answer = ask(gateway.data, "POST", CHAT, [*headers, JSON], BODY)
    refused(answer, 401, "invalid_api_key", secrets=(CANARY,))
    assert answer.header("www-authenticate") == "Bearer"
    assert answer.header("x-should-retry") == "false"
    assert CANARY not in gateway.command.said()


def test_a_megabyte_of_token(gateway: Gateway) -> None:
    answer = ask(gateway.data, "POST", CHAT, [bearer("t" * 1024 * 1024), JSON], BODY)
    refused(answer, 431, "headers_too_large")


@pytest.mark.parametrize("character", ["\0", "\x01", "\x1f", "\x7f"])
def test_control_characters_in_a_token(gateway: Gateway, character: str) -> None:
    answer = ask(gateway.data, "POST", CHAT, [bearer(f"{CANARY}{character}"), JSON], BODY)
    assert answer.status == 400
    assert CANARY.encode() not in answer.body


def test_a_revoked_an_expired_and_a_rotated_token(gateway: Gateway) -> None:
    with gateway.management() as client:
        project = client.projects.create(name="withering").id
        revoked, rotated, expired = (client.tokens.create(project_id=project) for _ in range(3))
        for minted in (revoked, rotated, expired):
            assert post(gateway, minted.token, BODY).status == 200
        client.tokens.revoke(revoked.id)
        fresh = client.tokens.rotate(rotated.id).token
        client.tokens.update(expired.id, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    for minted in (revoked, rotated, expired):
        refused(post(gateway, minted.token, BODY), 401, "invalid_api_key", secrets=(minted.token,))
    assert post(gateway, fresh, BODY).status == 200


def test_an_inactive_project(gateway: Gateway) -> None:
    minted = gateway.mint()
    assert post(gateway, minted.token, BODY).status == 200
    with gateway.management() as client:
        client.projects.update(minted.project_id, is_active=False)
        refused(post(gateway, minted.token, BODY), 403, "project_inactive")
        client.projects.update(minted.project_id, is_active=True)
    assert post(gateway, minted.token, BODY).status == 200


# Bodies

DEEP = b'{"model": "gpt-4o", "messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        pytest.param(b"", "invalid_json", "body", id="empty"),
        pytest.param(b'{"model": "gpt-4o", "mess', "invalid_json", "body", id="truncated"),
        pytest.param(BODY + b"}", "invalid_json", "body", id="trailing"),
        pytest.param(DEEP, "invalid_json", "body", id="nested 100,000 deep"),
        pytest.param(DEEP[:90_000], "invalid_json", "body", id="nested and truncated"),
        pytest.param(b'{"model": "gpt-4o", "temperature": NaN}', "invalid_json", "body", id="NaN"),
        pytest.param(b'{"model": "\xff"}', "invalid_json", "body", id="a model not UTF-8"),
        pytest.param(b"\xef\xbb\xbf" + BODY, "invalid_json", "body", id="a byte-order mark"),
        pytest.param(BODY.decode().encode("utf-16"), "invalid_json", "body", id="UTF-16"),
        pytest.param(b"{'model': 'gpt-4o'}", "invalid_json", "body", id="single quotes"),
        pytest.param(b"[]", "invalid_argument", "body", id="a list"),
        pytest.param(b"null", "invalid_argument", "body", id="null"),
        pytest.param(b'"gpt-4o"', "invalid_argument", "body", id="a string"),
        pytest.param(b"{}", "model_required", "model", id="no model"),
        pytest.param(b'{"model": null}', "model_required", "model", id="null for a model"),
        pytest.param(b'{"model": ""}', "invalid_argument", "model", id="an empty model"),
        pytest.param(b'{"model": "%s"}' % (b"m" * 257), "invalid_argument", "model", id="a long model"),
        pytest.param(b'{"model": "a\\r\\nb"}', "invalid_argument", "model", id="a model with line breaks"),
        pytest.param(b'{"model": "a\\u0000"}', "invalid_argument", "model", id="a model with NUL"),
        pytest.param(b'{"model": "a\\u202eb"}', "invalid_argument", "model", id="a model with an override"),
        pytest.param(b'{"model": 4}', "invalid_argument", "body", id="a number for a model"),
        pytest.param(b'{"model": ["gpt-4o"]}', "invalid_argument", "body", id="a list for a model"),
        pytest.param(
            b'{"model": "gpt-4o", "stream": "yes"}', "invalid_argument", "body", id="a word for stream"
        ),
        pytest.param(
            b'{"model": "gpt-4o", "stream_options": 1}', "invalid_argument", "body", id="bad options"
        ),
    ],
)
def test_a_body_that_is_wrong(
    gateway: Gateway, token: str, simulator: Simulator, body: bytes, code: str, param: str
) -> None:
    simulator.clear()
    message = refused(post(gateway, token, body), 400, code, param=param)
    assert "\n" not in message
    assert simulator.requests() == []


@pytest.fixture(scope="module")
def narrow(gateway: Gateway) -> str:
    """A token that may use gpt-4o and nothing else."""
    return gateway.new_token(allowed_models=["gpt-4o"])


@pytest.mark.parametrize(
    "name",
    ["no-such", "gpt-4o ", "GPT-4O", "\u0261pt-4o", "gpt-4o/../x", "'; drop table", "%2e%2e", "{}", "*"],
)
def test_a_model_that_is_not_allowed_is_not_served_under_another_spelling(
    gateway: Gateway, narrow: str, name: str
) -> None:
    answer = post(gateway, narrow, msgspec.json.encode({"model": name, "messages": []}))
    refused(answer, 403, "model_not_allowed", param="model")


@pytest.mark.parametrize(
    ("members", "status"),
    [
        ('"model": "gpt-4o", "model": "o9-secret"', 403),
        ('"model": "gpt-4o", "mod\\u0065l": "o9-secret"', 403),
        ('"model": "o9-secret", "model": "gpt-4o"', 200),
        ('"mod\\u0065l": "o9-secret", "model": "gpt-4o"', 200),
        ('"model": "gpt-4o", "Model": "o9-secret"', 200),
    ],
)
def test_a_model_given_twice_gets_nothing_that_is_not_allowed(
    gateway: Gateway, narrow: str, simulator: Simulator, members: str, status: int
) -> None:
    simulator.clear()
    body = f'{{{members}, "messages": [{{"role": "user", "content": "hi"}}]}}'
    assert post(gateway, narrow, body.encode()).status == status
    for received in simulator.requests():
        assert received.body is not None
        pairs = json.loads(received.body, object_pairs_hook=list)
        assert [value for name, value in pairs if name.lower() == "model"] == ["gpt-4o"]
    assert len(simulator.requests()) == (status == 200)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "application/octet-stream", "multipart/form-data; boundary=b"]
)
def test_a_content_type_that_is_wrong(gateway: Gateway, token: str, kind: str) -> None:
    answer = post(gateway, token, BODY, headers=[("content-type", kind)])
    refused(answer, 415, "unsupported_media_type", param="content-type")


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.x+json"]
)
def test_a_content_type_that_is_right(gateway: Gateway, token: str, kind: str) -> None:
    assert post(gateway, token, BODY, headers=[("content-type", kind)]).status in {200, 415}


FORM, WHOLE = form({"model": "whisper-1"}, {"file": b"sound"})


@pytest.mark.parametrize(
    ("kind", "body", "param"),
    [
        pytest.param("multipart/form-data", WHOLE, "body", id="no boundary"),
        pytest.param("multipart/form-data; boundary=", WHOLE, "body", id="an empty boundary"),
        pytest.param("multipart/form-data; boundary=other", WHOLE, "body", id="another boundary"),
        pytest.param(FORM, b"", "body", id="empty"),
        pytest.param(FORM, WHOLE[:-30], "body", id="truncated"),
        pytest.param(FORM, b"not a form", "body", id="not a form"),
        pytest.param(*form({f"f{n}": "x" for n in range(10_000)}, {}), "body", id="10,000 parts"),
        pytest.param(FORM, WHOLE.replace(b"whisper-1", b"\xff\xfe"), "model", id="a model not UTF-8"),
        pytest.param(FORM, WHOLE.replace(b"whisper-1", b""), "model", id="an empty model"),
        pytest.param(FORM, WHOLE.replace(b"whisper-1", b"a\r\nb"), "model", id="a model with a line break"),
        pytest.param(FORM, form({"model": "a"}, {})[1][:-19] + WHOLE, "model", id="two models"),
        pytest.param(FORM, form({"model": "a"}, {})[1][:-20] + WHOLE, "body", id="a boundary after CR"),
        pytest.param(*form({}, {"file": b"sound"}), "model", id="no model"),
        pytest.param(*form({}, {"model": b"whisper-1"}), "model", id="a file for a model"),
    ],
)
def test_a_form_that_is_wrong(
    gateway: Gateway, token: str, simulator: Simulator, kind: str, body: bytes, param: str
) -> None:
    simulator.clear()
    answer = post(gateway, token, body, "/v1/audio/transcriptions", [("content-type", kind)])
    code = "model_required" if answer.error["code"] == "model_required" else "invalid_argument"
    refused(answer, 400, code, param=param)
    assert simulator.requests() == []


# Paths


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("//", 404, "not_found"),
        ("/v2/chat/completions", 404, "not_found"),
        ("/admin/", 404, "not_found"),
        ("/v1", 404, "not_found"),
        ("/nothing", 404, "not_found"),
        ("/v1/../manage/tokens", 400, "invalid_argument"),
        ("/v1/files/../../manage", 400, "invalid_argument"),
        ("/v1/files/%2e%2e/x", 400, "invalid_argument"),
        ("/v1/files/%252e%252e/x", 400, "invalid_argument"),
        ("/v1/files/..%2fx", 400, "invalid_argument"),
        ("/v1/files/..%5cx", 400, "invalid_argument"),
        ("/v1/files/./x", 400, "invalid_argument"),
        ("/v1/files/a%00b", 404, "not_found"),
        ("/v1/anything/a%00b", 200, ""),
        ("/v1/@elsewhere.test/x", 200, ""),
        (f"/v1/{'a' * 5000}", 400, "invalid_argument"),
    ],
)
def test_a_path_that_leads_nowhere(
    gateway: Gateway, token: str, simulator: Simulator, path: str, status: int, code: str
) -> None:
    simulator.clear()
    answer = ask(gateway.data, "GET", path, [bearer(token)])
    if code:
        refused(answer, status, code, param="path")
        assert simulator.requests() == []
    else:  # the provider's to refuse, but at the provider and under /v1
        assert [it.path for it in simulator.requests()] == [path]


@pytest.mark.parametrize(
    "target", ["/v1/files/\xe9", "/v1/files?a=\xe9", "/v1/files?a=\0", "elsewhere.test:443"]
)
def test_a_target_that_is_none(gateway: Gateway, token: str, simulator: Simulator, target: str) -> None:
    simulator.clear()
    answer = ask(gateway.data, "GET", target, [bearer(token)])
    assert (answer.status, answer.error["code"]) == (400, "invalid_argument")
    assert simulator.requests() == []


@pytest.mark.parametrize("listener", ["data", "console"])
def test_no_upstream_is_asked_to_send_back_what_it_got(
    gateway: Gateway, token: str, simulator: Simulator, listener: str
) -> None:
    simulator.clear()
    answer = ask(getattr(gateway, listener), "TRACE", "/v1/files", [bearer(token)])
    refused(answer, 405, "method_not_allowed")
    assert simulator.requests() == []


# Headers


@pytest.mark.parametrize("where", ["x-custom", "x-request-id", "user-agent", "authorization"])
@pytest.mark.parametrize("injected", ["a\nx-injected: yes", "a\rx-injected: yes", "a\0b", "a\x7fb"])
def test_a_header_value_starts_no_new_header(
    gateway: Gateway, token: str, simulator: Simulator, where: str, injected: str
) -> None:
    simulator.clear()
    answer = ask(gateway.data, "POST", CHAT, [bearer(token), JSON, (where, injected)], BODY)
    assert answer.status == 400
    assert simulator.requests() == []


@pytest.mark.parametrize("count", [1, 700])
def test_headers_that_are_too_large(gateway: Gateway, token: str, count: int) -> None:
    many = [(f"x-{n}", "h" * (MAX_HEADERS // count + 100)) for n in range(count)]
    answer = ask(gateway.data, "POST", CHAT, [bearer(token), JSON, *many], BODY)
    refused(answer, 431, "headers_too_large")


# Framing

FRAMINGS = {
    "both framings": [("content-length", "4"), ("transfer-encoding", "chunked")],
    "both, turned round": [("transfer-encoding", "chunked"), ("content-length", "4")],
    "two lengths": [("content-length", "4"), ("content-length", "70")],
    "a signed length": [("content-length", "+4")],
    "a list of lengths": [("content-length", "4, 5")],
    "a hexadecimal length": [("content-length", "0x4")],
    "a negative length": [("content-length", "-1")],
    "a length beyond all numbers": [("content-length", "9" * 40)],
    "chunked not last": [("transfer-encoding", "chunked, identity")],
    "an unknown framing": [("transfer-encoding", "xchunked")],
    "a tab after the name": [("transfer-encoding\t", "chunked")],
    "a space after the name": [("transfer-encoding ", "chunked")],
}


@pytest.mark.parametrize("listener", ["data", "console"])
@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_request_framed_in_two_ways_is_never_two_requests(
    gateway: Gateway, token: str, simulator: Simulator, listener: str, framing: str
) -> None:
    simulator.clear()
    smuggled = compose("GET", "/v1/files/smuggled", [bearer(token)])
    fields = [bearer(token), JSON, *FRAMINGS[framing]]
    with Wire(getattr(gateway, listener)) as wire:
        wire.send(compose("POST", "/v1/batches", fields) + b"0\r\n\r\n" + smuggled)
        assert wire.answer().status in {400, 501}
        assert wire.ended()
    assert simulator.requests() == []


@pytest.mark.parametrize("framing", ["both framings", "both, turned round"])
def test_nor_is_it_for_the_management_plane(gateway: Gateway, framing: str) -> None:
    fields = [bearer(MANAGEMENT_TOKEN), JSON, *FRAMINGS[framing]]
    with Wire(gateway.console) as wire:
        request = compose("GET", "/manage/projects", [bearer(MANAGEMENT_TOKEN)])
        wire.send(compose("POST", "/manage/projects", fields) + b"0\r\n\r\n" + request)
        assert wire.answer().status == 400
        assert wire.ended()


@pytest.mark.parametrize("listener", ["data", "console"])
@pytest.mark.parametrize("path", ["/v1/realtime?model=gpt-4o", "/manage/projects", "/nothing"])
def test_a_websocket_is_refused_without_a_fault(
    gateway: Gateway, token: str, listener: str, path: str
) -> None:
    asks = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ]
    answer = ask(getattr(gateway, listener), "GET", path, [bearer(token), *asks])
    assert answer.status == 426
    assert b"WebSockets are not served here" in answer.body
    assert answer.header("upgrade") == "HTTP/1.1"


@pytest.mark.parametrize("listener", ["data", "console"])
@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\n",
        b"5\r\nhello",
        b"5\r\nhelloXX",
        b"-1\r\n",
        b"f" * 20 + b"\r\n",
        b"5;" + b"e" * 99_999,
        b"\r\n",
    ],
)
def test_chunks_that_are_malformed(
    gateway: Gateway, token: str, simulator: Simulator, listener: str, body: bytes
) -> None:
    simulator.clear()
    head = compose("POST", CHAT, [bearer(token), JSON, ("transfer-encoding", "chunked")])
    with Wire(getattr(gateway, listener)) as wire:
        wire.send(head + body)
        wire.finish_sending()
        with contextlib.suppress(EOFError, ConnectionError):
            assert 400 <= wire.answer().status < 500
    assert simulator.requests() == []


# Anthropic's clients


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"{", 400, "invalid_request_error"),
        (b"{}", 400, "invalid_request_error"),
        (b'{"model": "gpt-5"}', 403, "permission_error"),
    ],
)
def test_anthropics_clients_get_errors_in_anthropics_shape(
    gateway: Gateway, narrow: str, body: bytes, status: int, kind: str
) -> None:
    answer = post(gateway, narrow, body, "/v1/messages")
    said = answer.json()
    assert (answer.status, said["type"], said["request_id"]) == (
        status,
        "error",
        answer.header("x-request-id"),
    )
    assert msgspec.convert(said["error"], dict[str, str])["type"] == kind


# Nonsense

INSERTED = [b"", b"\r\n", b"\r\n\r\n", b": ", b"\0", b"Transfer-Encoding: chunked\r\n", b'"', b"{", b"\xff"]
Damage = tuple[float, int, bytes]
damages = st.tuples(
    st.floats(0, 1), st.integers(0, 8), st.one_of(st.sampled_from(INSERTED), st.binary(max_size=12))
)


def damaged(request: bytes, damage: list[Damage]) -> bytes:
    """Return a request with some of its bytes replaced, added or left out."""
    for where, removed, inserted in damage:
        at = int(where * len(request))
        request = request[:at] + inserted + request[at + removed :]
    return request


def test_garbage_is_no_fault_of_the_gateway_and_no_reason_to_hang(gateway: Gateway, token: str) -> None:
    whole = compose("POST", CHAT, [bearer(token), JSON], BODY)

    @settings(max_examples=200, deadline=None, database=None)
    @given(data=st.one_of(st.binary(max_size=400), st.lists(damages, min_size=1, max_size=6)))
    def no_fault(data: bytes | list[Damage]) -> None:
        with Wire(gateway.data) as wire, contextlib.suppress(EOFError, ConnectionError):
            wire.send(data if isinstance(data, bytes) else damaged(whole, data))
            wire.finish_sending()
            while not wire.ended():
                assert wire.answer().status < 500

    no_fault()
