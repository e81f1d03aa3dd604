"""What the playground's calls may look like, and what of an answer reaches the console's page."""

from dataclasses import dataclass, field

import httpx2
import pytest
from tollkeeper_server.dataplane.caller import ACTING, Message, Receive, Send
from tollkeeper_server.doors.playground import Playground
from tollkeeper_server.snapshot.model import Header

from tests.unit.management.plane import MANAGEMENT_TOKEN, Plane

ORIGIN = "https://console.example.com"
PATH = "/admin/playground/v1/models"
TOKEN_ID = "tok_" + "0" * 26


@dataclass
class DataPlane:
    """Answers each call with the headers that a test has given it, and keeps what it was called as."""

    headers: list[Header] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer."""
        self.tokens.append(scope[ACTING])
        headers = [(b"content-type", b"text/html"), *self.headers]
        await send({"type": "http.response.start", "status": 307, "headers": headers})
        await send({"type": "http.response.body", "body": b"<script>", "more_body": False})


@dataclass
class Page:
    """A page of the console whose user is signed in."""

    client: httpx2.AsyncClient
    cookie: str

    async def ask(self, *more: tuple[str, str]) -> httpx2.Response:
        """Make a call that a browser makes, with more headers."""
        usual = [("sec-fetch-site", "same-origin"), ("origin", ORIGIN), ("cookie", self.cookie)]
        return await self.client.get(PATH, headers=[*usual, ("x-tollkeeper-token", TOKEN_ID), *more])


@pytest.fixture
def behind() -> DataPlane:
    """The data plane."""
    return DataPlane()


@pytest.fixture
async def page(plane: Plane, behind: DataPlane) -> Page:
    """A page, in front of a playground."""
    _, secret = await plane.sessions.begin(MANAGEMENT_TOKEN, address="192.0.2.1", user_agent="")
    transport = httpx2.ASGITransport(Playground(behind, plane.sessions))
    client = httpx2.AsyncClient(transport=transport, base_url=ORIGIN)
    return Page(client, f"__Host-tollkeeper_session={secret}")


async def test_a_browser_finds_nothing_to_act_on_in_an_answer(page: Page, behind: DataPlane) -> None:
    """It would follow a redirect with the page's call and cookie, to any path of the console."""
    behind.headers = [
        (b"Location", b"/tollkeeper.v1.SessionService/RevokeAllSessions"),
        (b"link", b"</x.js>; rel=preload; as=script"),
        (b"refresh", b"0; url=/docs"),
        (b"www-authenticate", b'Basic realm="console"'),
        (b"set-cookie", b"tollkeeper_session=x"),
        (b"clear-site-data", b'"*"'),
        (b"service-worker-allowed", b"/"),
        (b"access-control-allow-origin", b"*"),
        (b"content-security-policy", b"default-src *"),
        (b"X-Request-Id", b"req_1"),
        (b"retry-after", b"1"),
        (b"x-tollkeeper-model", b"gpt-4o"),
    ]
    answer = await page.ask()
    assert dict(answer.headers) == {
        "content-type": "text/html",
        "x-request-id": "req_1",
        "retry-after": "1",
        "x-tollkeeper-model": "gpt-4o",
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; sandbox",
        "x-content-type-options": "nosniff",
    }
    assert behind.tokens == [TOKEN_ID]


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (("sec-fetch-site", "same-origin"), 401),
        (("origin", ORIGIN), 401),
        (("cookie", "other=1"), 401),
        (("X-Tollkeeper-Token", TOKEN_ID), 400),
    ],
    ids=["site", "origin", "cookie", "token"],
)
async def test_a_header_that_comes_twice_does_not_count(
    page: Page, behind: DataPlane, header: tuple[str, str], status: int
) -> None:
    """As at the console's other doors: no proxy in front need agree on which of them is meant."""
    assert (await page.ask(header)).status_code == status
    assert behind.tokens == []
