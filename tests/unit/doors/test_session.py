"""Signing in over real connections, and where the cookie counts: in calls of the console's own pages."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tollkeeper_server.domain.session import IDLE, LONGEST, ROTATED
from tollkeeper_server.doors.console import make_console
from tollkeeper_server.doors.console_listener import ConsoleListener
from tollkeeper_server.doors.front import front
from tollkeeper_server.doors.playground import Playground
from tollkeeper_server.doors.sockets import bind, name_of
from tollkeeper_server.doors.tls import HTTP2, make_contexts
from tollkeeper_server.http1.server.limits import TimeLimits
from tollkeeper_server.management.sign_in_attempts import PER_NETWORK
from tollkeeper_server.process import self_signed

from tests.unit.dataplane.gateway import Bench
from tests.unit.doors.doors import Readiness, exposition
from tests.unit.doors.test_streams import JSON as STREAMING
from tests.unit.doors.test_streams import enveloped, envelopes, until_open
from tests.unit.management.plane import MANAGEMENT_TOKEN, NOON, Plane

SESSION = "/admin/session"
LIST = "/tollkeeper.v1.ProjectService/ListProjects"
WATCH = "/tollkeeper.v1.UsageService/WatchUsageEvents"
CSV = "/manage/usage/events"
PROTOCOL = {"connect-protocol-version": "1", "content-type": "application/json"}
NOT_SENT = ""
"""The value of a header that is left out."""


def headers_with(usual: Mapping[str, str], changed: Mapping[str, str]) -> dict[str, str]:
    """Return headers with some changed or left out."""
    return {name: value for name, value in {**usual, **changed}.items() if value != NOT_SENT}


@dataclass
class Browser:
    """A page of the console in a browser: it sends what browsers send, unless a test says otherwise."""

    client: httpx2.AsyncClient
    origin: str
    cookie: str = ""
    set_cookies: list[str] = field(default_factory=list)

    @property
    def port(self) -> str:
        """The port of the gateway."""
        return self.origin.rpartition(":")[2]

    async def send(
        self, method: str, path: str, content: str | None = None, **changed: str
    ) -> httpx2.Response:
        """Make a request, and take the cookie of its answer. `changed` are headers, `_` for `-`."""
        usual = {"sec-fetch-site": "same-origin"}
        if method not in {"GET", "HEAD"}:
            usual["origin"] = self.origin
        if content is not None:
            usual["content-type"] = "application/json"
        if self.cookie:
            usual["cookie"] = self.cookie
        headers = headers_with(usual, {name.replace("_", "-"): it for name, it in changed.items()})
        answer = await self.client.request(method, path, content=content, headers=headers)
        if (cookie := answer.headers.get("set-cookie")) is not None:
            self.set_cookies.append(cookie)
            self.cookie = "" if "Max-Age=0" in cookie else cookie.partition(";")[0]
        return answer

    async def sign_in(self, token: str = MANAGEMENT_TOKEN, **changed: str) -> httpx2.Response:
        """Sign in."""
        return await self.send("POST", SESSION, json.dumps({"token": token}), **changed)

    async def call(self, **changed: str) -> httpx2.Response:
        """Make a call over Connect."""
        return await self.send("POST", LIST, "{}", **{"connect_protocol_version": "1", **changed})

    async def download(self, method: str = "GET", path: str = CSV, **changed: str) -> httpx2.Response:
        """Download usage over REST."""
        return await self.send(method, path, **{"accept": "text/csv", **changed})


def reason(answer: httpx2.Response) -> tuple[int, str]:
    """Return the status and the reason of an error in REST's form or in Connect's."""
    details = answer.json()["details"]
    return answer.status_code, next(
        it.get("reason") or it["debug"]["reason"]
        for it in details
        if it.get("reason") or it.get("debug", {}).get("reason")
    )


@pytest.fixture
async def browser(console: str) -> AsyncIterator[Browser]:
    """A browser on the machine of a gateway without TLS, over HTTP/1.1."""
    origin = f"http://{console}"
    async with httpx2.AsyncClient(base_url=origin, trust_env=False) as client:
        yield Browser(client, origin)


@pytest.fixture(params=["http/1.1", "h2"])
async def over_tls(
    request: pytest.FixtureRequest, plane: Plane, readiness: Readiness, tmp_path: Path
) -> AsyncIterator[Browser]:
    """A browser that speaks TLS with the gateway."""
    pair = tmp_path / "cert.pem", tmp_path / "key.pem"
    self_signed.make(*pair)
    bound = bind("127.0.0.1:0", "console", "TEST")
    origin = f"https://{name_of(bound)}"
    application = make_console(plane.chain(), plane.sessions, readiness, exposition(), "1.2.3")
    listener = ConsoleListener(
        front(Bench().plane, Playground(Bench().plane, plane.sessions), application),
        bound,
        tls=make_contexts(*pair)[HTTP2],
        drain_seconds=1,
        limits=TimeLimits(quiet=0),
    )
    serving = asyncio.create_task(listener.serve())
    is_2 = request.param == "h2"
    trusting = ssl.create_default_context(cafile=str(pair[0]))
    async with httpx2.AsyncClient(
        base_url=origin, verify=trusting, http1=not is_2, http2=is_2, trust_env=False
    ) as client:
        yield Browser(client, origin)
    listener.stop()
    await serving


async def assert_signed_in_and_out(browser: Browser, name: str, attributes: str) -> None:
    """Sign in, call in every way that a page does, and sign out."""
    told = await browser.sign_in()
    assert told.status_code == 200
    assert told.headers["cache-control"] == "no-store"
    (cookie,) = browser.set_cookies
    assert cookie.startswith(f"{name}=")
    assert cookie.partition("; ")[2] == attributes
    assert browser.cookie.partition("=")[2] not in told.text
    asked = await browser.send("GET", SESSION)
    assert (asked.status_code, asked.json()) == (200, told.json())
    assert asked.headers["cache-control"] == "no-store"
    assert (await browser.call()).status_code == 200
    assert (await browser.download()).status_code == 200
    used = browser.cookie
    ended = await browser.send("DELETE", SESSION)
    assert (ended.status_code, browser.cookie) == (204, "")
    assert browser.set_cookies[-1] == f"{name}=; Max-Age=0; {attributes}"
    for cookie in ("", used):
        browser.cookie = cookie
        assert reason(await browser.send("GET", SESSION)) == (401, "session_ended")
    assert reason(await browser.call()) == (401, "session_ended")


async def test_in_clear_text_on_the_machine_itself(browser: Browser) -> None:
    name = f"tollkeeper_session_{browser.port}"
    await assert_signed_in_and_out(browser, name, "Path=/; HttpOnly; SameSite=Lax")


async def test_over_tls(over_tls: Browser) -> None:
    name = f"__Host-tollkeeper_session_{over_tls.port}"
    await assert_signed_in_and_out(over_tls, name, "Path=/; HttpOnly; SameSite=Lax; Secure")


@pytest.mark.parametrize(
    ("host", "origin", "port"),
    [
        ("console.example.com", "https://console.example.com", ""),
        ("console.example.com:443", "https://console.example.com", ""),
        ("console.example.com:8443", "https://console.example.com:8443", "_8443"),
        ("[2001:db8::1]", "https://[2001:db8::1]", ""),
        ("[2001:db8::1]:8443", "https://[2001:db8::1]:8443", "_8443"),
    ],
)
async def test_behind_a_proxy_that_speaks_tls(browser: Browser, host: str, origin: str, port: str) -> None:
    """It passes the Host header on, and the gateway need not know it."""
    browser.origin = origin
    browser.client.headers["host"] = host
    await assert_signed_in_and_out(
        browser, f"__Host-tollkeeper_session{port}", "Path=/; HttpOnly; SameSite=Lax; Secure"
    )


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_who_signs_in_at_another_port_stays_signed_in(browser: Browser, scheme: str) -> None:
    """Browsers keep one cookie of each name for all ports of a host, and send all of them to each."""
    held: dict[str, str] = {}
    for port in (8001, 8002, 80 if scheme == "http" else 443):
        browser.origin = f"{scheme}://localhost:{port}".removesuffix(":80").removesuffix(":443")
        browser.client.headers["host"] = f"localhost:{port}"
        browser.cookie = "; ".join(f"{name}={secret}" for name, secret in held.items())
        assert (await browser.sign_in()).status_code == 200
        name, _, secret = browser.cookie.partition("=")
        held[name] = secret
    assert len(held) == 3
    everything = "; ".join(f"{name}={secret}" for name, secret in held.items())
    for port, (name, secret) in zip((8001, 8002), held.items(), strict=False):
        browser.origin = f"{scheme}://localhost:{port}"
        browser.client.headers["host"] = f"localhost:{port}"
        assert (await browser.call(cookie=everything)).status_code == 200
        others = everything.replace(f"{name}={secret}", "")
        assert reason(await browser.call(cookie=others)) == (401, "invalid_api_key")


async def test_the_application_is_told_when_the_session_ends(browser: Browser, plane: Plane) -> None:
    plane.clock.now = NOON
    told = (await browser.sign_in()).json()
    began = NOON + timedelta(seconds=1)
    assert told == {
        "id": told["id"],
        "created_at": began.isoformat().replace("+00:00", "Z"),
        "idle_expires_at": (began + IDLE).isoformat().replace("+00:00", "Z"),
        "absolute_expires_at": (began + LONGEST).isoformat().replace("+00:00", "Z"),
    }
    assert told["id"].startswith("ses_")


@pytest.mark.parametrize(
    "origin", ["http://192.0.2.7:8080", "http://console.example.com", "http://[2001:db8::1]"]
)
async def test_in_clear_text_over_a_network_nobody_signs_in(browser: Browser, origin: str) -> None:
    """Browsers send no Sec-Fetch-Site then; the answer says what to do."""
    browser.origin = origin
    browser.client.headers["host"] = origin.removeprefix("http://")
    answer = await browser.sign_in(sec_fetch_site=NOT_SENT)
    assert reason(answer) == (403, "sign_in_needs_tls")
    assert "https://" in answer.json()["message"]


async def test_over_tls_the_origin_is_never_one_in_clear_text(over_tls: Browser) -> None:
    """Nor does the cookie of clear text count there."""
    await over_tls.sign_in()
    cookie = over_tls.cookie
    assert reason(await over_tls.sign_in(origin=over_tls.origin.replace("https", "http"))) == (
        403,
        "cross_origin_refused",
    )
    over_tls.cookie = cookie.removeprefix("__Host-")
    assert (await over_tls.send("GET", SESSION)).status_code == 401
    assert (await over_tls.call()).status_code == 401


FOREIGN: dict[str, dict[str, str]] = {
    "of another site": {"sec_fetch_site": "cross-site"},
    "of a sibling": {"sec_fetch_site": "same-site"},
    "typed in by hand": {"sec_fetch_site": "none"},
    "that says nothing of its site": {"sec_fetch_site": NOT_SENT},
    "that says its site twice": {"sec_fetch_site": "same-origin, same-origin"},
    "without an origin": {"origin": NOT_SENT},
    "of no origin": {"origin": "null"},
    "of another origin": {"origin": "https://evil.example"},
    "of another port": {"origin": "http://127.0.0.1:1"},
    "of an origin that begins like this one": {"origin": "http://127.0.0.1.evil.example"},
}


@pytest.mark.parametrize("changed", FOREIGN.values(), ids=FOREIGN.keys())
async def test_a_request(browser: Browser, changed: dict[str, str]) -> None:
    """Signs nobody in or out, and the cookie is as if it were not there."""
    assert reason(await browser.sign_in(**changed)) == (403, "cross_origin_refused")
    assert browser.set_cookies == []
    await browser.sign_in()
    assert reason(await browser.call(**changed)) == (401, "invalid_api_key")
    assert reason(await browser.send("DELETE", SESSION, **changed)) == (403, "cross_origin_refused")
    assert (await browser.call()).status_code == 200
    if "sec_fetch_site" in changed:
        assert (await browser.send("GET", SESSION, **changed)).status_code == 401
        assert reason(await browser.download(**changed)) == (401, "invalid_api_key")
    elif changed["origin"] != NOT_SENT:
        assert (await browser.send("GET", SESSION, **changed)).status_code == 401


async def test_a_form_of_a_page_can_do_nothing(browser: Browser) -> None:
    """Even if it were of this origin: it sends GET, or one of three content types."""
    sign_in = json.dumps({"token": MANAGEMENT_TOKEN})
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=a",
        NOT_SENT,
    ):
        answer = await browser.send("POST", SESSION, sign_in, content_type=kind)
        assert reason(answer) == (415, "unsupported_media_type")
    await browser.sign_in()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a"):
        assert (await browser.call(content_type=kind)).status_code == 415
    assert (await browser.send("GET", LIST, connect_protocol_version="1")).status_code == 405
    assert reason(await browser.call(connect_protocol_version=NOT_SENT)) == (401, "invalid_api_key")


async def test_it_counts_nowhere_else(browser: Browser, plane: Plane) -> None:
    """Not over REST, but for usage as CSV; not on the data plane. gRPC has no cookies."""
    project = await plane.project()
    await browser.sign_in()
    refused = [
        await browser.send("GET", "/manage/projects"),
        await browser.send("GET", "/manage/projects", accept="text/csv"),
        await browser.send("GET", f"/manage/projects/{project.id}"),
        await browser.send("GET", CSV),
        await browser.send("GET", "/manage/usage/watch"),
        await browser.download("HEAD"),
        await browser.send("PATCH", f"/manage/projects/{project.id}", '{"is_active": false}'),
        await browser.send("POST", "/manage/projects", '{"name": "x"}', accept="text/csv"),
        await browser.send("GET", "/v1/models"),
        await browser.send("POST", "/v1/chat/completions", '{"model": "m"}'),
    ]
    assert [it.status_code for it in refused] == [401] * len(refused)
    for path in (CSV, "/manage/usage/summary?group_by=USAGE_GROUP_MODEL"):
        assert (await browser.download(path=path)).status_code == 200
    link = await browser.send("GET", f"{CSV}?alt=csv", accept="text/html,*/*;q=0.8")
    assert (link.status_code, link.headers["content-type"].partition(";")[0]) == (200, "text/csv")
    assert link.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "cookie",
    [
        "{name}=",
        "{name}=" + "A" * 64,
        "{name}={secret}; {name}={secret}",
        "{name}={secret}; {name}=other",
        "{upper}={secret}",
        "__Host-{name}={secret}; {name}=other",
        "other={name}={secret}",
        "tollkeeper_session={secret}",
        "tollkeeper_session_1={secret}",
    ],
)
async def test_another_cookie_is_no_session(browser: Browser, cookie: str) -> None:
    await browser.sign_in()
    name, _, secret = browser.cookie.partition("=")
    browser.cookie = cookie.format(name=name, upper=name.upper(), secret=secret)
    assert (await browser.call()).status_code == 401


async def test_it_counts_among_other_cookies(browser: Browser) -> None:
    await browser.sign_in()
    browser.cookie = f"a=b; {browser.cookie}; c"
    assert (await browser.call()).status_code == 200


async def test_a_token_comes_before_the_cookie(browser: Browser) -> None:
    """A wrong one is refused, with whatever cookie it comes."""
    await browser.sign_in()
    assert reason(await browser.call(authorization="Bearer another-token-of-tests")) == (
        401,
        "invalid_api_key",
    )
    assert (
        await browser.call(authorization=f"Bearer {MANAGEMENT_TOKEN}", cookie=NOT_SENT)
    ).status_code == 200


async def test_signing_in_again_ends_the_session_before(browser: Browser) -> None:
    await browser.sign_in()
    before = browser.cookie
    await browser.sign_in()
    assert browser.cookie != before
    assert (await browser.call()).status_code == 200
    assert reason(await browser.call(cookie=before)) == (401, "session_ended")


BODIES: dict[str, tuple[str, int, str]] = {
    "nothing": ("", 400, "invalid_json"),
    "no JSON": (MANAGEMENT_TOKEN, 400, "invalid_json"),
    "a text": (json.dumps(MANAGEMENT_TOKEN), 400, "invalid_argument"),
    "no token": ("{}", 400, "invalid_argument"),
    "a number": ('{"token": 1}', 400, "invalid_argument"),
    "more": (json.dumps({"token": MANAGEMENT_TOKEN, MANAGEMENT_TOKEN: 1}), 400, "invalid_argument"),
    "too much": (json.dumps({"token": "x" * 5000}), 413, "request_too_large"),
    "another token": (json.dumps({"token": f"{MANAGEMENT_TOKEN}x"}), 401, "invalid_api_key"),
    "the token with a blank": (json.dumps({"token": f"{MANAGEMENT_TOKEN} "}), 401, "invalid_api_key"),
    "an empty token": ('{"token": ""}', 401, "invalid_api_key"),
    "a surrogate": ('{"token": "\\ud800"}', 400, "invalid_json"),
}


@pytest.mark.parametrize(("body", "status", "why"), BODIES.values(), ids=BODIES.keys())
async def test_what_signs_nobody_in(browser: Browser, body: str, status: int, why: str) -> None:
    answer = await browser.send("POST", SESSION, body)
    assert reason(answer) == (status, why)
    assert browser.set_cookies == []
    assert MANAGEMENT_TOKEN not in answer.text


async def test_attempts_are_limited(browser: Browser) -> None:
    """Also those with the right token, until some time has passed; who is signed in notices nothing."""
    await browser.sign_in()
    for _ in range(PER_NETWORK):
        assert reason(await browser.sign_in("another-token-of-tests")) == (401, "invalid_api_key")
    for token in ("another-token-of-tests", MANAGEMENT_TOKEN):
        answer = await browser.sign_in(token)
        assert reason(answer) == (429, "rate_limit_exceeded")
        assert 1 <= int(answer.headers["retry-after"]) <= 6
    assert (await browser.call()).status_code == 200


async def test_the_cookie_is_replaced_while_it_is_used(browser: Browser, plane: Plane) -> None:
    """By calls and by asking for the session, not at the beginning of streams, which may be long after."""
    await browser.sign_in()
    first, attributes = browser.cookie, browser.set_cookies[0].partition("; ")[2]
    plane.clock.now += ROTATED
    answers = [await browser.call(cookie=first), await browser.send("GET", SESSION, cookie=first)]
    assert len({it.headers["set-cookie"] for it in answers}) == 1
    assert browser.cookie != first
    assert browser.set_cookies[-1].partition("; ")[2] == attributes
    assert (await browser.download(cookie=first)).headers.get("set-cookie") is None
    assert (await browser.call()).headers.get("set-cookie") is None
    plane.clock.now += timedelta(minutes=1)
    assert reason(await browser.call(cookie=first)) == (401, "session_ended")
    assert (await browser.call()).status_code == 200


async def test_other_methods_are_told_which_there_are(browser: Browser) -> None:
    answer = await browser.send("PUT", SESSION, "{}")
    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET, HEAD, OPTIONS, POST")
    assert (await browser.send("OPTIONS", SESSION)).status_code == 204


async def test_a_stream_ends_with_its_session(over_tls: Browser, plane: Plane) -> None:
    await over_tls.sign_in()
    headers = {
        **STREAMING,
        "origin": over_tls.origin,
        "sec-fetch-site": "same-origin",
        "cookie": over_tls.cookie,
    }
    end: dict[str, Any] = {}
    async with (
        asyncio.timeout(30),
        over_tls.client.stream("POST", WATCH, content=enveloped(b"{}"), headers=headers) as answer,
    ):
        assert answer.status_code == 200
        await until_open(plane, 1)
        await over_tls.send("DELETE", SESSION)
        async for flags, content in envelopes(answer):
            if flags & 2:
                end = json.loads(content)
    assert end["error"]["code"] == "unauthenticated"
    assert [it["debug"]["reason"] for it in end["error"]["details"] if "reason" in it["debug"]] == [
        "session_ended"
    ]
    await until_open(plane, 0)


async def test_a_stream_of_a_page_elsewhere_does_not_begin(browser: Browser) -> None:
    await browser.sign_in()
    headers = {**STREAMING, "origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    answer = await browser.client.post(
        WATCH, content=enveloped(b"{}"), headers={**headers, "cookie": browser.cookie}
    )
    assert reason(answer) == (401, "invalid_api_key")
