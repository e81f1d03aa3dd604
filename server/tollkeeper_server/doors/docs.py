"""`/docs`: Swagger UI for `/openapi.json`, from the files of an installed package."""

import importlib.util
from functools import cache
from pathlib import Path

from tollkeeper_server.doors.http import Response

# The files that the page needs; the package contains a whole editor as well.
_FILES = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
_START = """\
window.onload = () => SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
});
"""
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tollkeeper: the management API</title>
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
# Swagger UI sets styles on elements and shows images that are part of its style sheet.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page() -> Response:
    """Return the page."""
    return Response(
        200,
        _PAGE.encode(),
        {"content-type": "text/html; charset=utf-8", "content-security-policy": _POLICY},
    )


def file(name: str) -> Response | None:
    """Return a file that the page needs; None for any other name."""
    if name == "start.js":
        return Response(200, _START.encode(), {"content-type": "text/javascript; charset=utf-8"})
    media = _FILES.get(name)
    return _read(name, media) if media is not None else None


@cache
def _read(name: str, media: str) -> Response:
    # Read once: all callers are sent the same bytes.
    content = (_folder() / name).read_bytes()
    return Response(200, content, {"content-type": media, "cache-control": "public, max-age=3600"})


def _folder() -> Path:
    # The package is located without an import: its code, for many web frameworks, is not needed.
    found = importlib.util.find_spec("swagger_ui")
    assert found is not None, "swagger-ui-py is among the dependencies"
    assert found.submodule_search_locations is not None, "it is a package"
    return Path(found.submodule_search_locations[0]) / "static"
