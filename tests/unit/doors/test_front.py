"""What the console's port answers before the console or the data plane see a request."""

import asyncio

import httpx2
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import Event, ResponseReceived, StreamEnded

from tests.unit.management.plane import MANAGEMENT_TOKEN

PREFLIGHT = {"origin": "https://elsewhere.test", "access-control-request-method": "POST"}
EVERYWHERE = ["/manage/projects", "/tollkeeper.v1.ProjectService/ListProjects", "/health", "/v1/models"]


async def _wire(console: str, *requests: bytes) -> bytes:
    """Send requests on one connection, and return all that is answered until it closes."""
    host, _, port = console.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"".join(requests))
    try:
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("path", EVERYWHERE)
async def test_a_preflight_is_refused_with_a_reason(http: httpx2.AsyncClient, path: str) -> None:
    answer = await http.options(path, headers=PREFLIGHT)
    assert answer.status_code == 403
    assert "browsers" in answer.text
    assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("path", EVERYWHERE)
async def test_options_without_an_origin_tells_the_methods(http: httpx2.AsyncClient, path: str) -> None:
    answer = await http.options(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert {"GET", "POST"} & set(answer.headers["allow"].split(", "))


async def test_options_may_ask_about_the_whole_server(console: str) -> None:
    answered = await _wire(console, b"OPTIONS * HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
    assert answered.startswith(b"HTTP/1.1 204 ")
    assert b"\r\nallow: DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT\r\n" in answered


@pytest.mark.parametrize(
    "pseudo",
    [
        {":method": "CONNECT", ":authority": "a:443"},
        {":method": "GET", ":scheme": "http", ":authority": "a", ":path": "http://a/v1/models"},
        {":method": "GET", ":scheme": "http", ":authority": "a", ":path": "v1/models"},
        {":method": "GET", ":scheme": "http", ":authority": "a", ":path": "*"},
        {":method": "GET", ":scheme": "http", ":authority": "a", ":path": "?/v1/models"},
    ],
)
async def test_a_path_over_http2_begins_with_a_slash(
    console: str, pseudo: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    host, _, port = console.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    peer = H2Connection(H2Configuration(client_side=True, validate_outbound_headers=False))
    peer.initiate_connection()
    peer.send_headers(1, list(pseudo.items()), end_stream=True)
    writer.write(peer.data_to_send())
    events: list[Event] = []
    async with asyncio.timeout(20):
        while not any(isinstance(event, StreamEnded) for event in events):
            data = await reader.read(65536)
            assert data
            events += peer.receive_data(data)
    writer.close()
    [head] = [event for event in events if isinstance(event, ResponseReceived)]
    assert dict(head.headers or [])[b":status"] == b"400"
    assert [record for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize("path", EVERYWHERE)
async def test_an_expectation_that_can_not_be_met_is_417_and_ends_the_connection(
    console: str, path: str
) -> None:
    head = f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nexpect: a-miracle\r\n"
    authorization = f"authorization: {MANAGEMENT_TOKEN}\r\n\r\n"
    answered = await _wire(console, (head + authorization).encode())
    assert answered.startswith(b"HTTP/1.1 417 ")
    assert b"\r\nconnection: close\r\n" in answered
    assert answered.count(b"HTTP/1.1 ") == 1
