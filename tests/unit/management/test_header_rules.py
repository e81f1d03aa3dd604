"""Headers that settings name can neither break a request or an answer nor show a credential."""

import pytest
from tollkeeper_server.domain.headers import FRAMING as FRAMED
from tollkeeper_server.domain.headers import HOP_BY_HOP, OF_UPSTREAM
from tollkeeper_server.domain.upstream import HeaderAction, HeaderOperation
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.header_rules import (
    check_operations,
    check_passed_headers,
    check_request_id_header,
)

INSERT, REPLACE, REMOVE = HeaderAction.INSERT, HeaderAction.REPLACE, HeaderAction.REMOVE
FRAMING = (
    "Connection",
    "content-length",
    "host",
    "Transfer-Encoding",
    "te",
    "trailer",
    "upgrade",
    "keep-alive",
    "expect",
    "proxy-connection",
    "accept-encoding",
    "content-encoding",
)
FINE = HeaderOperation(action=INSERT, name="x-team", value="search")


def refused(*operations: HeaderOperation, auth_header: str = "") -> TollkeeperError:
    """Return how operations are refused."""
    with pytest.raises(TollkeeperError) as caught:
        check_operations(operations, auth_header)
    assert caught.value.reason is Reason.INVALID_ARGUMENT
    return caught.value


def test_any_other_header_may_be_set_and_removed() -> None:
    check_operations(
        (
            FINE,
            HeaderOperation(action=REPLACE, name="User-Agent", value="gateway"),
            HeaderOperation(action=REMOVE, name="X-Forwarded-For"),
        ),
        "x-key",
    )


@pytest.mark.parametrize("name", FRAMING)
@pytest.mark.parametrize("action", HeaderAction)
def test_what_frames_a_message_is_not_touched(name: str, action: HeaderAction) -> None:
    value = "" if action is REMOVE else "x"
    error = refused(FINE, HeaderOperation(action=action, name=name, value=value))
    assert error.field == "header_operations[1].name"


@pytest.mark.parametrize(
    "name", ["Authorization", "x-api-key", "API-Key", "cookie", "proxy-authorization", "X-Own"]
)
@pytest.mark.parametrize("action", HeaderAction)
def test_a_credential_is_told_where_it_belongs(name: str, action: HeaderAction) -> None:
    value = "" if action is REMOVE else "sk-canary"
    error = refused(HeaderOperation(action=action, name=name, value=value), auth_header="x-own")
    assert error.field == "header_operations[0].name"
    assert "canary" not in error.message
    assert ("api_key" in error.message) == (action is not REMOVE)


@pytest.mark.parametrize(("action", "value"), [(REMOVE, "x"), (INSERT, ""), (REPLACE, "")])
def test_a_value_is_for_what_sets_one(action: HeaderAction, value: str) -> None:
    assert refused(HeaderOperation(action=action, name="x-a", value=value)).field == (
        "header_operations[0].value"
    )


@pytest.mark.parametrize("name", ["X-Request-Id", "x-correlation-id", "Idempotency-Key", "request-id"])
def test_a_header_without_another_meaning_may_give_the_requests_id(name: str) -> None:
    check_request_id_header(name, "x-key", (FINE,))


@pytest.mark.parametrize(
    "name",
    [
        *FRAMING,
        "Authorization", "x-api-key", "API-Key", "cookie", "Set-Cookie", "proxy-authorization", "X-Own",
        "Content-Type", "content-md5", "Accept", "User-Agent", "If-None-Match", "Sec-Fetch-Mode", "Origin",
        "X-Forwarded-For", "via", "x-http-method-override", "cf-ray",
        "OpenAI-Organization", "openai-project", "anthropic-version", "X-Team",
    ],
)  # fmt: skip
def test_a_header_with_another_meaning_gives_no_request_id(name: str) -> None:
    with pytest.raises(TollkeeperError) as caught:
        check_request_id_header(name, "x-own", (FINE,))
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, "request_id_header")
    assert "name another header" in caught.value.message


def test_a_header_that_is_kept_back_may_be_named_to_pass() -> None:
    check_passed_headers((*sorted(OF_UPSTREAM), "X-Anything"))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        *((name, "never passes") for name in sorted(HOP_BY_HOP)),
        *((name, "how a message is read") for name in sorted(FRAMED - HOP_BY_HOP)),
        ("Transfer-Encoding", "never passes"),
        ("X-Request-Id", "x-upstream-request-id"),
        ("x-tollkeeper-model", "the gateway's own"),
        ("SET-COOKIE", "named twice"),
        ("Location", "names the upstream's host"),
        ("link", "names the upstream's host"),
    ],
)
def test_a_header_that_can_not_pass_is_refused_with_the_reason(name: str, why: str) -> None:
    with pytest.raises(TollkeeperError) as caught:
        check_passed_headers(("set-cookie", name))
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, "passed_headers[1]")
    assert why in caught.value.message
