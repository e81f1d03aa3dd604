"""A console whose application is built in a folder of the test's, over HTTP/1.1 and HTTP/2."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import brotli
import httpx2
import pytest
from tollkeeper_server.doors.console import make_console
from tollkeeper_server.doors.console_listener import ConsoleListener
from tollkeeper_server.doors.front import front
from tollkeeper_server.doors.playground import Playground
from tollkeeper_server.doors.sockets import bind, name_of
from tollkeeper_server.doors.webui.door import Webui
from tollkeeper_server.doors.webui.place import Place
from tollkeeper_server.http1.server.limits import TimeLimits

from tests.unit.dataplane.gateway import Bench
from tests.unit.doors.doors import Readiness, exposition
from tests.unit.management.plane import Plane

INDEX = '<!doctype html><head><title>Tollkeeper</title></head><script src="/admin/assets/{}"></script>'
SCRIPT = b"console.log('a script that gets smaller when it is compressed');" * 50


def build(folder: Path, script: str = "main-A1.js") -> None:
    """Write what a build of the application makes."""
    assets = folder / "assets"
    assets.mkdir(parents=True, exist_ok=True)
    (folder / ".vite").mkdir(exist_ok=True)
    (folder / ".vite" / "manifest.json").write_text("{}")
    (folder / "favicon.svg").write_text("<svg/>")
    (assets / script).write_bytes(SCRIPT)
    (assets / f"{script}.br").write_bytes(brotli.compress(SCRIPT))
    (assets / f"{script}.gz").write_bytes(gzip.compress(SCRIPT, mtime=0))
    (assets / f"{script}.map").write_text("{}")
    (assets / "font-B2.woff2").write_bytes(b"font")
    (folder / "index.html").write_text(INDEX.format(script))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Where the application is built, or is not yet."""
    return Place(tmp_path / "dist", tmp_path / "status")


@pytest.fixture
async def address(plane: Plane, place: Place) -> AsyncIterator[str]:
    """The address of a console, `HOST:PORT`, that looks at each request whether there is another build."""
    bound = bind("127.0.0.1:0", "console", "TEST")
    webui = Webui(place, look_seconds=0)
    application = make_console(plane.chain(), plane.sessions, Readiness(), exposition(), "1.2.3", webui=webui)
    data_plane = Bench().plane
    listener = ConsoleListener(
        front(data_plane, Playground(data_plane, plane.sessions), application),
        bound,
        tls=None,
        drain_seconds=1,
        limits=TimeLimits(quiet=0),
    )
    serving = asyncio.create_task(listener.serve())
    yield name_of(bound)
    listener.stop()
    await serving


@pytest.fixture(params=["HTTP/1.1", "HTTP/2"])
async def browser(address: str, request: pytest.FixtureRequest) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that says nothing of codings unless a test does."""
    is_two = request.param == "HTTP/2"
    async with httpx2.AsyncClient(
        base_url=f"http://{address}", trust_env=False, http1=not is_two, http2=is_two
    ) as client:
        del client.headers["accept-encoding"]
        yield client
