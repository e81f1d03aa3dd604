"""The console over HTTP/2 and TLS as clients use it: many requests on a connection, large ones, pauses."""

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from pathlib import Path

import httpx2
import pycurl
import pytest
from tollkeeper_server.dataplane.caller import Message, Receive, Send
from tollkeeper_server.domain.address import SocketAddress
from tollkeeper_server.doors.console_listener import ConsoleListener
from tollkeeper_server.doors.sockets import bind_address, name_of
from tollkeeper_server.http1.server.limits import TimeLimits

from tests.integration.process import MANAGEMENT_TOKEN, Gateway

PATIENCE_SECONDS = 30.0
BUNDLE = "/docs/swagger-ui-bundle.js"
PROJECTS = "/manage/projects"
LIST_PROJECTS = "/tollkeeper.v1.ProjectService/ListProjects"
ADMIN = {"authorization": f"Bearer {MANAGEMENT_TOKEN}", "content-type": "application/json"}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose console speaks TLS."""
    with Gateway(tmp_path_factory.mktemp("secured"), tls="self-signed") as gateway:
        yield gateway
        assert gateway.command.stop() == 0
        assert "Traceback" not in gateway.command.said()


@pytest.fixture
async def browser(secured: Gateway) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that has one connection, whose protocol TLS agrees."""
    trusting = ssl.create_default_context(cafile=str(Path(secured.directory, "data", "self-signed.crt")))
    async with httpx2.AsyncClient(
        base_url=secured.console.replace("127.0.0.1", "localhost"),
        http2=True,
        verify=trusting,
        limits=httpx2.Limits(max_connections=1),
        timeout=PATIENCE_SECONDS,
        trust_env=False,
    ) as client:
        yield client


async def test_a_hundred_pages_and_calls_at_once_are_answered(browser: httpx2.AsyncClient) -> None:
    asked = [
        browser.post(LIST_PROJECTS, headers=ADMIN, content=b"{}")
        if number % 4 == 0
        else browser.get(["/openapi.json", PROJECTS, BUNDLE][number % 4 - 1], headers=ADMIN)
        for number in range(100)
    ]
    answers = await asyncio.gather(*asked)
    assert Counter((answer.status_code, answer.http_version) for answer in answers) == {(200, "HTTP/2"): 100}
    sizes = {answer.url.path: len(answer.content) for answer in answers}
    assert all(len(answer.content) == sizes[answer.url.path] for answer in answers)


@pytest.mark.parametrize("size", [1, 4, 16], ids="{}MiB".format)
@pytest.mark.parametrize(
    ("headers", "status"),
    [(ADMIN, 413), ({"content-type": "application/json"}, 401)],
    ids=["known", "stranger"],
)
async def test_large_uploads_are_told_why_they_are_refused_and_the_connection_goes_on(
    browser: httpx2.AsyncClient, size: int, headers: dict[str, str], status: int
) -> None:
    content = b"x" * ((size << 20) + 1)
    for _ in range(16 // size):  # together they are much more than the connection's window
        answer = await browser.post(PROJECTS, headers=headers, content=content)
        assert (answer.status_code, answer.http_version) == (status, "HTTP/2")
    assert (await browser.get("/health")).status_code == 200


async def _answer(_scope: Message, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"here", "more_body": False})


async def test_a_connection_that_was_idle_for_long_is_replaced() -> None:
    """The server ends it, so that the client knows, and uses another one."""
    bound = bind_address(SocketAddress("127.0.0.1", 0))
    limits = TimeLimits(keep_alive=0.05, quiet=0.05)
    listener = ConsoleListener(_answer, bound, tls=None, drain_seconds=1, limits=limits)
    serving = asyncio.create_task(listener.serve())
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, f"http://{name_of(bound)}/v1/a")
    curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE)
    curl.setopt(pycurl.NOPROXY, "*")
    curl.setopt(pycurl.POSTFIELDS, "{}")
    async with asyncio.timeout(PATIENCE_SECONDS):
        for _ in range(2):
            body = BytesIO()
            curl.setopt(pycurl.WRITEDATA, body)
            await asyncio.to_thread(curl.perform)
            assert body.getvalue() == b"here"
            while listener.connections:  # noqa: ASYNC110 - curl learns it by its next request alone
                await asyncio.sleep(0.01)
    curl.close()
    listener.stop()
    await serving
