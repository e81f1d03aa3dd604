"""`/admin/`: the application's page at every path, its files for ever, and what stands in for it."""

import fcntl
import re
import shutil

import httpx2
import pytest
from tollkeeper_server.doors.console import make_console
from tollkeeper_server.doors.webui.door import Webui
from tollkeeper_server.doors.webui.place import Place

from tests.unit.doors.doors import Readiness, exposition
from tests.unit.doors.webui.conftest import SCRIPT, build
from tests.unit.management.plane import Plane

SECURITY = {
    "cache-control": "no-store",
    "content-type": "text/html; charset=utf-8",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), usb=(), payment=()",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{}'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'; trusted-types default"
)


@pytest.fixture
def built(place: Place) -> Place:
    """A place with a build in it."""
    build(place.folder)
    return place


def nonce_of(answer: httpx2.Response) -> str:
    """Return the nonce of a page, which must be that of its policy and of its security headers."""
    found = re.search(r'nonce(?:" content)?="([\w-]{22})"', answer.text)
    assert found is not None
    assert answer.headers["content-security-policy"] == POLICY.format(found[1])
    assert {name: answer.headers[name] for name in SECURITY} == SECURITY
    return found[1]


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    "path",
    [
        "/admin/",
        "/admin/tokens",
        "/admin/projects/prj_1?tab=usage",
        "/admin/playground",
        "/admin/index.html",
        "/admin/.vite/manifest.json",
        "/admin/%2e%2e/%2e%2e/etc/passwd",
        "/admin/..%2fstatus",
    ],
)
async def test_every_path_has_the_page_with_a_nonce_of_its_own(
    browser: httpx2.AsyncClient, path: str
) -> None:
    answers = [await browser.get(path) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert "/admin/assets/main-A1.js" in answers[0].text
    assert nonce_of(answers[0]) != nonce_of(answers[1])
    head = await browser.head(path)
    assert (head.content, head.headers["content-length"]) == (b"", answers[0].headers["content-length"])


async def test_shorter_paths_lead_to_the_application(browser: httpx2.AsyncClient) -> None:
    found = {path: await browser.get(path) for path in ("/", "/admin", "/admin?tab=usage")}
    assert {path: (it.status_code, it.headers["location"]) for path, it in found.items()} == {
        "/": (302, "/admin/"),
        "/admin": (308, "/admin/"),
        "/admin?tab=usage": (308, "/admin/?tab=usage"),
    }


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (None, None),
        ("", None),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "br"),
        ("GZIP", "gzip"),
        ("br;q=0.5, gzip", "gzip"),
        ("br;q=0.5, gzip;q=0.5", "br"),
        ("br;q=0, gzip;q=0.001", "gzip"),
        ("br;q=0, gzip;q=0", None),
        ("*", "br"),
        ("br;q=0, *", "gzip"),
        ("gzip;q=0.5, identity", None),
        ("identity;q=0.5, gzip", "gzip"),
        ("zstd", None),
        ("*;q=0", None),
        ("br;q=nonsense, gzip", "gzip"),
    ],
)
async def test_a_file_comes_in_the_coding_that_its_caller_likes_best(
    browser: httpx2.AsyncClient, accepted: str | None, coding: str | None
) -> None:
    headers = {"accept-encoding": accepted} if accepted is not None else {}
    answer = await browser.get("/admin/assets/main-A1.js", headers=headers)
    assert (answer.status_code, answer.headers.get("content-encoding")) == (200, coding)
    assert answer.content == SCRIPT  # decoded by the client
    assert answer.headers["vary"] == "accept-encoding"
    head = await browser.head("/admin/assets/main-A1.js", headers=headers)
    assert (head.content, head.headers["content-length"]) == (b"", answer.headers["content-length"])


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    ("path", "media_type", "caching"),
    [
        ("/admin/assets/main-A1.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
        ("/admin/assets/font-B2.woff2", "font/woff2", "public, max-age=31536000, immutable"),
        ("/admin/favicon.svg", "image/svg+xml", "public, max-age=3600"),
        ("/favicon.ico", "image/svg+xml", "public, max-age=3600"),
    ],
)
async def test_a_file_is_kept_for_ever_if_its_name_is_that_of_its_content(
    browser: httpx2.AsyncClient, path: str, media_type: str, caching: str
) -> None:
    answer = await browser.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type
    assert answer.headers["cache-control"] == caching
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    "path",
    [
        "assets/none.js",
        "assets/",
        "assets/main-A1.js.br",
        "assets/main-A1.js.map",
        "assets/..%2findex.html",
        "assets/%2e%2e/%2e%2e/status",
    ],
)
async def test_what_is_no_page_and_no_file_is_a_404_that_nobody_keeps(
    browser: httpx2.AsyncClient, path: str
) -> None:
    answer = await browser.get(f"/admin/{path}")
    assert (answer.status_code, answer.json()["status"]) == (404, "NOT_FOUND")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("path", ["/admin/session", "/admin/playground/v1/chat/completions"])
async def test_what_programs_ask_is_no_page(browser: httpx2.AsyncClient, path: str) -> None:
    assert (await browser.get(path)).headers["content-type"] == "application/json"


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("path", ["/admin", "/admin/", "/admin/tokens", "/admin/assets/main-A1.js"])
async def test_other_methods_are_refused_in_json(browser: httpx2.AsyncClient, path: str) -> None:
    answer = await browser.post(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


async def test_without_a_build_the_page_says_what_to_do_and_looks_again(browser: httpx2.AsyncClient) -> None:
    answer = await browser.get("/admin/tokens")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert "make webui" in answer.text
    assert '<meta http-equiv="refresh" content="2">' in answer.text
    assert "<script" not in answer.text
    nonce_of(answer)
    assert (await browser.get("/admin/assets/main-A1.js")).status_code == 404
    assert (await browser.get("/favicon.ico")).status_code == 404
    assert (await browser.get("/docs")).status_code == 200


async def test_the_page_follows_the_build(browser: httpx2.AsyncClient, place: Place) -> None:
    assert place.status is not None
    with place.status.open("w") as status:
        fcntl.flock(status, fcntl.LOCK_EX)
        status.write("building\npackages <from> npm\n")
        status.flush()
        answer = await browser.get("/admin/")
        assert (answer.status_code, "is being built" in answer.text) == (503, True)
        assert "packages &lt;from&gt; npm" in answer.text
    # A build that was killed has let go of the file.
    assert "is not built" in (await browser.get("/admin/")).text
    place.status.write_text("failed\nbundling failed; the log is .cache/webui/build.log\n")
    answer = await browser.get("/admin/")
    assert (answer.status_code, "could not be built" in answer.text) == (503, True)
    assert "the log is .cache/webui/build.log" in answer.text
    assert "make webui" in answer.text
    build(place.folder)
    assert (await browser.get("/admin/")).status_code == 200


@pytest.mark.usefixtures("built")
async def test_another_build_takes_the_place_of_the_first(browser: httpx2.AsyncClient, place: Place) -> None:
    assert "main-A1.js" in (await browser.get("/admin/")).text
    shutil.rmtree(place.folder)
    assert "main-A1.js" in (await browser.get("/admin/")).text
    assert (await browser.get("/admin/assets/main-A1.js")).content == SCRIPT
    build(place.folder, "main-Z9.js")
    assert "main-Z9.js" in (await browser.get("/admin/")).text
    assert (await browser.get("/admin/assets/main-Z9.js")).content == SCRIPT
    assert (await browser.get("/admin/assets/main-A1.js")).status_code == 404


async def test_what_is_installed_is_read_once(place: Place) -> None:
    installed = Webui(Place(place.folder, None), look_seconds=0)
    assert await installed.built() is None
    assert b"has no console" in (await installed.absent()).body
    build(place.folder)
    first = await installed.built()
    assert first is not None
    build(place.folder, "main-Z9.js")
    assert await installed.built() is first


async def test_a_build_that_can_not_be_served_leaves_the_last_one(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    webui = Webui(place, look_seconds=0)
    build(place.folder)
    first = await webui.built()
    (place.folder / "index.html").write_text("<!doctype html>")
    assert await webui.built() is first
    assert await webui.built() is first
    assert [it.message for it in caplog.records] == [
        "the console application can't be served: index.html of the build has no <title>"
    ]


@pytest.mark.usefixtures("built")
async def test_over_tls_browsers_are_told_to_stay_there(plane: Plane, place: Place) -> None:
    app = make_console(
        plane.chain(), plane.sessions, Readiness(), exposition(), "1.2.3", tls_only=True, webui=Webui(place)
    ).test_client()
    for path in ("/admin/", "/admin/assets/main-A1.js"):
        assert (await app.get(path)).headers["strict-transport-security"] == "max-age=31536000"
