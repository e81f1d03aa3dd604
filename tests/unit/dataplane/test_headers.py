"""Which headers pass in each direction, and which never do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.caller import MAX_HEADER_BYTES
from tollkeeper_server.dataplane.headers import (
    check_framing,
    check_headers,
    check_repeated,
    lowered,
    named_by_connection,
    request_headers,
    response_headers,
)
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.snapshot.model import Header

from tests.unit.dataplane.configured import ANTHROPIC, AZURE, PROVIDER_KEY, SECRET, target
from tests.unit.dataplane.exchanges import exchange

HOP_BY_HOP = [
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"http2-settings",
]


def _sent(*headers: Header, plain: bool = False) -> list[Header]:
    return request_headers(exchange(headers=headers), target(), plain=plain)


@pytest.mark.parametrize("name", [b"content-type", b"content-encoding", b"content-length"])
def test_what_says_how_to_read_the_body_must_be_said_once(name: bytes) -> None:
    others = [(b"accept", b"a"), (b"accept", b"b"), (name, b"x")]
    check_repeated(others)
    with pytest.raises(TollkeeperError, match="more than once") as caught:
        check_repeated([*others, (name, b"y")])
    assert caught.value.field == name.decode()


def test_end_to_end_headers_pass_as_they_are() -> None:
    own: list[Header] = [
        (b"content-type", b"application/json"),
        (b"user-agent", b"OpenAI/Python"),
        (b"accept-encoding", b"gzip, br"),
        (b"openai-beta", b"assistants=v2"),
        (b"anthropic-beta", b"a"),
        (b"anthropic-beta", b"b"),
        (b"x-name", "José".encode()),
        (b"idempotency-key", b"1"),
    ]

    assert own == _sent(*own)


@pytest.mark.parametrize("name", HOP_BY_HOP)
def test_hop_by_hop_headers_end_here(name: bytes) -> None:
    assert name not in dict(_sent((name, b"x")))
    assert name not in dict(response_headers(lowered([(name.title(), b"x")]), "req", drop_length=False))


def test_what_connection_names_ends_here() -> None:
    sent = _sent(
        (b"connection", b"close, X-One"), (b"x-one", b"1"), (b"connection", b"x-TWO ,"), (b"x-two", b"2")
    )
    received = lowered([(b"Connection", b"X-One"), (b"X-One", b"1"), (b"X-Three", b"3")])
    answered = response_headers(received, "req", drop_length=False)

    assert sent == []
    assert answered == [(b"x-three", b"3"), (b"x-request-id", b"req")]


def test_a_header_that_connection_names_is_replaced_by_the_upstreams_own() -> None:
    caller = exchange(headers=[(b"connection", b"anthropic-version"), (b"anthropic-version", b"old")])

    assert dict(request_headers(caller, ANTHROPIC, plain=False))[b"anthropic-version"] == b"2023-06-01"


@pytest.mark.parametrize("name", [b"authorization", b"x-api-key", b"api-key", b"cookie"])
@pytest.mark.parametrize("upstream", [target(), AZURE, ANTHROPIC])
def test_the_callers_token_never_passes(name: bytes, upstream: object) -> None:
    caller = exchange(headers=[(name, b"Bearer " + SECRET), (name, SECRET), (b"x-other", b"1")])

    sent = request_headers(caller, upstream, plain=True)  # type: ignore[arg-type]  # parametrised

    assert SECRET not in b"".join(value for _, value in sent)
    assert dict(sent)[b"x-other"] == b"1"


def test_what_goes_with_the_credential_is_the_administrators_to_say() -> None:
    upstream = target(
        headers=((b"openai-organization", b"org-own"),), credential=((b"x-corp-key", PROVIDER_KEY),)
    )
    caller = exchange(
        headers=[
            (b"openai-organization", b"org-other"),
            (b"openai-project", b"other"),
            (b"x-corp-key", b"guess"),
        ]
    )

    sent = request_headers(caller, upstream, plain=False)

    assert sent == [(b"openai-organization", b"org-own")]


def test_the_callers_version_goes_before_the_upstreams() -> None:
    caller = exchange(headers=[(b"anthropic-version", b"2024-01-01")])

    sent = [h for h in request_headers(caller, ANTHROPIC, plain=False) if h[0] == b"anthropic-version"]

    assert sent == [(b"anthropic-version", b"2024-01-01")]


def test_what_is_metered_is_asked_for_without_coding() -> None:
    codings = [h for h in _sent((b"accept-encoding", b"gzip"), plain=True) if h[0] == b"accept-encoding"]

    assert codings == [(b"accept-encoding", b"identity")]


@pytest.mark.parametrize("own", [b"abc", b"A-1_b.c:2", b"x" * 128])
def test_a_well_formed_request_id_is_kept(own: bytes) -> None:
    caller = exchange(headers=[(b"x-request-id", own)])

    assert own.decode() == caller.request_id
    assert own == dict(request_headers(caller, target(), plain=False))[b"x-request-id"]


@pytest.mark.parametrize("own", [b"", b"a b", b"x" * 129, b"\xe9", b"a\nb", b"a;b", b"<script>"])
def test_another_request_id_is_replaced(own: bytes) -> None:
    caller = exchange(headers=[(b"x-request-id", own)])

    assert caller.event_id == caller.request_id
    assert caller.event_id.startswith("req_")
    assert b"x-request-id" not in dict(request_headers(caller, target(), plain=False))


def test_a_request_id_that_the_caller_did_not_send_is_not_sent_to_upstreams() -> None:
    assert _sent() == []


@pytest.mark.parametrize("offered", [b"theirs", b"not an id", None])
@pytest.mark.parametrize("name", [b"x-request-id", b"x-correlation-id"])
def test_an_upstream_with_a_header_for_it_always_gets_the_requests_id(
    name: bytes, offered: bytes | None
) -> None:
    headers = [(b"x-correlation-id", b"guess")]
    caller = exchange(headers=[*headers, (b"x-request-id", offered)] if offered is not None else headers)

    sent = request_headers(caller, target(request_id_header=name), plain=False)

    assert [value for sent_name, value in sent if sent_name == name] == [caller.request_id.encode()]
    assert [value for sent_name, value in sent if sent_name == b"x-request-id"] == (
        [caller.request_id.encode()] if caller.chose_id or name == b"x-request-id" else []
    )


@pytest.mark.parametrize(
    "name",
    [
        b"cdn-loop", b"cf-connecting-ip", b"cf-ipcountry", b"cf-ray", b"cf-visitor", b"cf-warp-tag-id",
        b"akamai-origin-hop", b"cloudfront-viewer-address", b"front-end-https", b"incap-client-ip",
        b"x-akamai-edgescape", b"x-amz-cf-id", b"x-appengine-user-ip", b"x-azure-ref", b"x-forwarded",
        b"x-nf-client-connection-ip", b"x-original-method", b"x-vercel-forwarded-for", b"x-vercel-ip-country",
        b"forwarded", b"true-client-ip", b"via", b"x-envoy-external-address", b"x-forwarded-for",
        b"x-forwarded-host", b"x-forwarded-proto", b"x-http-method-override", b"x-real-ip",
    ],
)  # fmt: skip
def test_what_proxies_say_of_the_caller_stays_here(name: bytes) -> None:
    assert _sent((name, b"203.0.113.9"), (b"x-other", b"1")) == [(b"x-other", b"1")]


def test_settings_of_an_ai_gateway_reach_it() -> None:
    own: Header = (b"cf-aig-cache-ttl", b"60")

    assert _sent(own) == [own]


@pytest.mark.parametrize(
    "name",
    [
        b"Set-Cookie", b"OpenAI-Organization", b"openai-project", b"anthropic-organization-id",
        b"x-litellm-key-spend", b"X-LiteLLM-Model-API-Base",
        b"Strict-Transport-Security", b"Alt-Svc",
    ],
)  # fmt: skip
def test_what_an_upstream_says_of_its_account_and_address_stays_here(name: bytes) -> None:
    received = lowered([(name, b"x"), (b"openai-processing-ms", b"12")])

    assert response_headers(received, "req", drop_length=False) == [
        (b"openai-processing-ms", b"12"),
        (b"x-request-id", b"req"),
    ]


def test_named_headers_of_an_upstream_pass_unless_they_are_for_the_connection() -> None:
    received = lowered(
        [
            (b"Set-Cookie", b"a=1"),
            (b"Set-Cookie", b"b=2"),
            (b"Alt-Svc", b"h3"),
            (b"NEL", b"{}"),
            (b"Connection", b"nel"),
            (b"X-Request-Id", b"theirs"),
            (b"Content-Length", b"2"),
        ]
    )
    passed = frozenset({b"set-cookie", b"nel", b"connection", b"x-request-id", b"content-length"})

    assert response_headers(received, "req", drop_length=True, passed=passed) == [
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"x-upstream-request-id", b"theirs"),
        (b"x-request-id", b"req"),
    ]


def test_an_answer_keeps_its_headers_but_for_what_is_ours() -> None:
    received: list[Header] = [
        (b"Content-Type", b"application/json"),
        (b"Content-Length", b"2"),
        (b"X-Twice", b"a=1"),
        (b"X-Twice", b"b=2"),
        (b"X-Name", b"caf\xe9"),
        (b"Alt-Svc", b'h3=":443"'),
        (b"X-Request-Id", b"theirs"),
        (b"Retry-After", b"3"),
    ]

    assert response_headers(lowered(received), "ours", drop_length=False) == [
        (b"content-type", b"application/json"),
        (b"content-length", b"2"),
        (b"x-twice", b"a=1"),
        (b"x-twice", b"b=2"),
        (b"x-name", b"caf\xe9"),
        (b"retry-after", b"3"),
        (b"x-upstream-request-id", b"theirs"),
        (b"x-request-id", b"ours"),
    ]
    assert b"content-length" not in dict(response_headers(lowered(received), "ours", drop_length=True))


@pytest.mark.parametrize("bad", [b"a\r\nx-evil: 1", b"a\n", b"a\rb", b"\x00", b"a\x7f", b"\x1b[0m"])
@pytest.mark.parametrize("where", ["name", "value"])
def test_header_injection_is_refused(bad: bytes, where: str) -> None:
    header = (bad, b"x") if where == "name" else (b"x", bad)
    with pytest.raises(TollkeeperError) as caught:
        check_headers([(b"host", b"x"), header])
    assert Reason.INVALID_ARGUMENT is caught.value.reason


def test_a_body_framed_in_two_ways_is_refused() -> None:
    check_framing({b"content-length": b"4"})
    check_framing({b"transfer-encoding": b"chunked"})
    check_framing({b"transfer-encoding": b" , Chunked"})
    with pytest.raises(TollkeeperError) as caught:
        check_framing({b"content-length": b"4", b"transfer-encoding": b"chunked"})
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, "content-length")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"content-length", b"abc"),
        (b"content-length", b"-1"),
        (b"transfer-encoding", b"chunked, gzip"),
        (b"transfer-encoding", b"gzip, chunked"),
        (b"transfer-encoding", b"chunked, chunked"),
    ],
)
def test_a_body_without_an_end_or_with_a_coding_that_is_not_undone_is_refused(
    name: bytes, value: bytes
) -> None:
    with pytest.raises(TollkeeperError) as caught:
        check_framing({name: value})
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, name.decode())


def test_headers_have_a_bound() -> None:
    check_headers([(b"x", b"\t " + b"a" * (MAX_HEADER_BYTES - 3))])
    with pytest.raises(TollkeeperError) as caught:
        check_headers([(b"x", b"\t " + b"a" * (MAX_HEADER_BYTES - 2))])
    assert Reason.HEADERS_TOO_LARGE is caught.value.reason


_names = st.sampled_from([*HOP_BY_HOP, b"x-a", b"x-b", b"accept", b"authorization", b"x-api-key", b"api-key"])
_values = st.sampled_from([b"x-a", b"X-B, close", b"", b",", b"accept", SECRET, b"\xff"])


@given(st.lists(st.tuples(_names, _values), max_size=12), st.booleans())
def test_whatever_is_sent_no_token_and_no_hop_passes(headers: list[Header], plain: bool) -> None:
    sent = request_headers(exchange(headers=headers), target(), plain=plain)

    named = named_by_connection(headers)
    for name, _ in sent:
        assert name not in HOP_BY_HOP
        assert name not in {b"authorization", b"x-api-key", b"api-key", b"host", b"content-length"}
        assert name not in named or name in {b"accept-encoding", b"x-request-id"}
