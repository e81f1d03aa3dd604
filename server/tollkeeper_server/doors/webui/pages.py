"""The page of the console application, and the one in its place while it is not built."""

import secrets
from html import escape

from tollkeeper_server.doors.http import Response
from tollkeeper_server.doors.webui.files import Built
from tollkeeper_server.doors.webui.place import Absence, Stage

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{}'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'; trusted-types default"
)
_HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), usb=(), payment=()",
}
_AGAIN_SECONDS = 2
_ABSENT = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="refresh" content="{seconds}">
<title>Tollkeeper</title>
<style nonce="{nonce}">
body {{ font: 1rem/1.6 system-ui, sans-serif; max-width: 42rem; margin: 15vh auto; padding: 0 1rem; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{text}
<p>Everything else works: the gateway, the command line, and <a href="/docs">the API</a>.</p>
</main>
</body>
</html>
"""
_COMMAND = "<p>In the checkout, <code>make webui</code> builds it. It needs the network once.</p>"


def page(built: Built) -> Response:
    """Return the application's page, with a nonce of its own for styles."""
    nonce = secrets.token_urlsafe(16)
    before, behind = built.page
    html = f'{before}<meta name="csp-nonce" content="{nonce}" />{behind}'
    return Response(200, html.encode(), _headers(nonce))


def absent_page(absence: Absence) -> Response:
    """Return the page that says why there is no application, and what to do. It reloads itself."""
    nonce = secrets.token_urlsafe(16)
    title, text = _words(absence)
    html = _ABSENT.format(seconds=_AGAIN_SECONDS, nonce=nonce, title=title, text=text)
    return Response(503, html.encode(), _headers(nonce) | {"retry-after": str(_AGAIN_SECONDS)})


def _headers(nonce: str) -> dict[str, str]:
    return _HEADERS | {"content-security-policy": _POLICY.format(nonce)}


def _words(absence: Absence) -> tuple[str, str]:
    detail = escape(absence.detail)
    match absence.stage:
        case Stage.BUILDING:
            step = f"<p>At this moment: {detail}.</p>" if detail else ""
            return (
                "The console is being built",
                f"<p>That happens once and takes about half a minute.</p>{step}",
            )
        case Stage.FAILED:
            return "The console could not be built", f"<p>{detail}</p>{_COMMAND}"
        case Stage.NOT_BUILT:
            return "The console is not built", _COMMAND
        case Stage.NOT_PACKAGED:
            return (
                "This installation has no console",
                "<p>It was packed without. The wheel that <code>make build</code> makes has one.</p>",
            )
