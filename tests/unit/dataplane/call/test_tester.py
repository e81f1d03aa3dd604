"""Testing an upstream finds the step that fails, says what to do, and shows no secret."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tollkeeper_server.dataplane.call.tester import UpstreamTester
from tollkeeper_server.domain.upstream import Provider
from tollkeeper_server.domain.upstream_testing import UpstreamTestResult
from tollkeeper_server.http1.client.dialler import Dialler
from tollkeeper_server.http1.client.transport import Http1Transport
from tollkeeper_server.snapshot.model import Dial, Target

from tests.servers.ports import free_port
from tests.unit.dataplane.call.served import Upstream, serving
from tests.unit.dataplane.configured import PROVIDER_KEY, target

LIST = b'{"data":[{"id":"a"},{"id":"b"}]}'
PLAIN = {"dns": "passed", "connect": "passed", "proxy": "skipped", "tls": "skipped"}
FAILED_EARLIER = {"credentials": "skipped", "models": "skipped"}


class Scene:
    """A real upstream, and what tests it."""

    def __init__(self, upstream: Upstream, transport: Http1Transport) -> None:
        self.upstream = upstream
        self._tester = UpstreamTester(Dialler(), transport)

    def sends(self, body: bytes, status: int = 200) -> None:
        """Let the upstream answer with this."""
        self.upstream.answer = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body

    async def test(self, url: str = "", **changes: Any) -> dict[str, UpstreamTestResult]:
        """Test the upstream, or one of another URL; return the steps by name."""
        url = url or self.upstream.url
        return await self.run(target(**{"base_url": url, "list_url": f"{url}/models", **changes}))

    async def run(self, tested: Target) -> dict[str, UpstreamTestResult]:
        """Return the steps by name."""
        steps = await self._tester.test(tested)
        assert PROVIDER_KEY.decode() not in repr(steps)
        assert all(bool(it.remedy) == (it.outcome == "failed") for it in steps)
        return {it.step.value: it for it in steps}


def outcomes(steps: dict[str, UpstreamTestResult]) -> dict[str, str]:
    """What became of each step."""
    return {name: it.outcome.value for name, it in steps.items()}


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """An upstream that answers nothing yet."""
    async with serving() as (upstream, transport):
        yield Scene(upstream, transport)


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[int]:
    """A server that answers the first bytes of each connection with these; yields its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_one_that_is_well_passes_every_step_there_is(scene: Scene) -> None:
    scene.sends(LIST)

    steps = await scene.test()

    assert outcomes(steps) == PLAIN | {"credentials": "passed", "models": "passed"}
    assert steps["models"].detail == "it lists 2 models"
    assert steps["connect"].duration_seconds > 0
    head = scene.upstream.requests.get_nowait()
    assert head.startswith(b"GET /v1/models ")
    assert b"Bearer " + PROVIDER_KEY in head


@pytest.mark.parametrize("status", [401, 403])
async def test_a_credential_that_is_refused(scene: Scene, status: int) -> None:
    scene.sends(b"invalid key " + PROVIDER_KEY, status)

    steps = await scene.test()
    assert outcomes(steps) == PLAIN | {"credentials": "failed", "models": "skipped"}
    assert steps["credentials"].remedy == "give it an api_key that it accepts"

    without = await scene.test(credential=())
    assert without["credentials"].remedy == "give it an api_key"


async def test_a_wrong_path_says_nothing_of_the_credential(scene: Scene) -> None:
    scene.sends(b"not found", 404)
    steps = await scene.test()
    assert outcomes(steps) == PLAIN | {"credentials": "skipped", "models": "failed"}
    assert "base_url" in steps["models"].remedy

    scene.sends(b"<html>")
    assert outcomes(await scene.test()) == PLAIN | {"credentials": "passed", "models": "failed"}


async def test_where_nothing_listens(scene: Scene) -> None:
    steps = await scene.test(f"http://127.0.0.1:{free_port()}")

    assert outcomes(steps) == FAILED_EARLIER | {
        "dns": "passed",
        "connect": "failed",
        "proxy": "skipped",
        "tls": "skipped",
    }
    assert steps["connect"].remedy == "see that it runs, and that the port in its URL is right"


async def test_a_name_that_is_none(scene: Scene) -> None:
    steps = await scene.test("http://nowhere.invalid")

    assert (steps["dns"].outcome, steps["connect"].outcome) == ("failed", "skipped")


async def test_a_port_that_speaks_no_tls(scene: Scene) -> None:
    async with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        steps = await scene.test(f"https://127.0.0.1:{port}")

    assert outcomes(steps) == FAILED_EARLIER | {
        "dns": "passed",
        "connect": "passed",
        "proxy": "skipped",
        "tls": "failed",
    }
    assert steps["tls"].remedy == "begin its URL with http:// if it speaks no TLS, or correct the port"


async def test_a_proxy_that_refuses(scene: Scene) -> None:
    async with answering(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n") as port:
        steps = await scene.test(dial=Dial(proxy=f"http://user:canary@127.0.0.1:{port}"))

    assert outcomes(steps) == FAILED_EARLIER | {
        "dns": "passed",
        "connect": "passed",
        "proxy": "failed",
        "tls": "skipped",
    }
    assert steps["proxy"].remedy == "put the proxy's user name and password into proxy_url"
    assert "canary" not in repr(steps)


async def test_settings_that_can_not_be_used(scene: Scene) -> None:
    steps = await scene.test(f"https://127.0.0.1:{free_port()}", dial=Dial(ca_certificates="none"))
    assert steps["dns"].outcome == "failed"
    assert "ca_certificates" in steps["dns"].detail


async def test_an_api_without_a_list_is_connected_to_and_no_more(scene: Scene) -> None:
    url = scene.upstream.url
    azure = target(provider=Provider.AZURE, base_url=url)

    assert outcomes(await scene.run(azure)) == PLAIN | FAILED_EARLIER
    assert scene.upstream.requests.empty()
