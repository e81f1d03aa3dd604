"""`/admin/`: the console application, whose files are read when they are first wanted."""

import asyncio
import logging
from pathlib import Path

import quart
from quart import Quart

from tollkeeper_server.doors.http import Response
from tollkeeper_server.doors.webui.files import ASSETS, INDEX, BuildError, Built, File, load
from tollkeeper_server.doors.webui.pages import absent_page, page
from tollkeeper_server.doors.webui.place import Place, absence

_log = logging.getLogger("tollkeeper.doors")

_LOOK_SECONDS = 1.0
_FOREVER = "public, max-age=31536000, immutable"
_AN_HOUR = "public, max-age=3600"
_ICONS = ("favicon.ico", "favicon.svg")


class Webui:
    """The build in a place. In a checkout it is looked at again, at most every `look_seconds`."""

    def __init__(self, place: Place, look_seconds: float = _LOOK_SECONDS) -> None:
        self._place = place
        self._look_seconds = look_seconds
        self._built: Built | None = None
        self._mark: tuple[int, int, int] | None = None
        self._next_look = 0.0
        self._looking = asyncio.Lock()

    async def built(self) -> Built | None:
        """Return the newest build, None if there is none."""
        if self._built is not None and (self._looking.locked() or not self._is_due()):
            return self._built
        async with self._looking:
            if self._is_due():
                self._mark, self._built = await asyncio.to_thread(self._look)
                self._next_look = asyncio.get_running_loop().time() + self._look_seconds
        return self._built

    async def absent(self) -> Response:
        """Return the page for when there is no build."""
        return absent_page(await asyncio.to_thread(absence, self._place))

    def _is_due(self) -> bool:
        if self._built is not None and self._place.status is None:
            return False  # what is installed belongs to this process, whatever is installed over it
        return asyncio.get_running_loop().time() >= self._next_look

    def _look(self) -> tuple[tuple[int, int, int] | None, Built | None]:
        # The mark is taken first: a build that is replaced meanwhile is read again at the next look.
        try:
            mark = _mark(self._place.folder / INDEX)
            if mark != self._mark:
                return mark, load(self._place.folder)
        except FileNotFoundError:
            return self._mark, self._built  # not built, or just being replaced
        except BuildError as error:
            _log.error("the console application can't be served: %s", error)
            return mark, self._built
        except OSError as error:
            _log.error("the console application can't be read: %s", error)
        return self._mark, self._built


def add_webui(app: Quart, webui: Webui) -> None:
    """Serve the application below `/admin/`, its icon at `/favicon.ico`, and lead there from `/admin`."""

    async def serve(path: str) -> quart.Response:
        built = await webui.built()
        file = built.files.get(path) if built is not None else None
        if file is not None:
            return _file(file, _FOREVER if path.startswith(ASSETS) else _AN_HOUR)
        if path.startswith(ASSETS):
            quart.abort(404)
        return _written(page(built) if built is not None else await webui.absent())

    async def serve_icon() -> quart.Response:
        built = await webui.built()
        found = [built.files[name] for name in _ICONS if name in built.files] if built is not None else []
        if not found:
            quart.abort(404)
        return _file(found[0], _AN_HOUR)

    async def lead() -> quart.Response:
        query = quart.request.query_string.decode("ascii", "replace")
        return _written(Response(308, headers={"location": f"/admin/?{query}" if query else "/admin/"}))

    app.add_url_rule("/admin", "webui_lead", lead, provide_automatic_options=False)
    app.add_url_rule("/admin/", "webui", serve, defaults={"path": ""}, provide_automatic_options=False)
    app.add_url_rule("/admin/<path:path>", "webui", serve, provide_automatic_options=False)
    app.add_url_rule("/favicon.ico", "webui_icon", serve_icon, provide_automatic_options=False)


def _file(file: File, caching: str) -> quart.Response:
    coding = file.choose(quart.request.accept_encodings)
    headers = {
        "content-type": file.media_type,
        "cache-control": caching,
        "cross-origin-resource-policy": "same-origin",
        "vary": "accept-encoding",
    }
    if coding is not coding.IDENTITY:
        headers["content-encoding"] = coding.value
    return _written(Response(200, file.bodies[coding], headers))


def _written(response: Response) -> quart.Response:
    return quart.Response(response.body, status=response.status, headers=dict(response.headers))


def _mark(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino
