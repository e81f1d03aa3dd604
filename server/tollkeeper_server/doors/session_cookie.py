"""The cookie that holds a session's secret: its name, and where it counts.

It counts only in requests that a page of the console's own origin makes. Whatever else a browser sends it
with is answered as if it were not there. Cookies know no ports, so the name has the port, unless it is the
usual one: who signs in to one gateway of a host stays signed in to the others.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from tollkeeper_server.doors.http import Request
from tollkeeper_server.errors import Reason, TollkeeperError

_HOST_PREFIX = "__Host-"
_SECURE_NAME = f"{_HOST_PREFIX}tollkeeper_session"
"""Over TLS, the gateway's own or a proxy's. Browsers take it from this host, and send it over TLS, alone."""
_PLAIN_NAME = "tollkeeper_session"
"""In clear text, which is taken of the browser's own machine alone."""

_PORT = re.compile(r":([0-9]{1,5})\Z")
_SAFE = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """A secret, and the name of the cookie that holds it."""

    name: str
    secret: str

    def setting(self) -> dict[str, str]:
        """Return the header that has a browser keep it until the browser is closed."""
        return {"set-cookie": f"{self.name}={self.secret}; {_attributes(self.name)}"}


def offered_cookie(request: Request) -> SessionCookie | None:
    """Return the cookie that a request of one of the console's pages brings, None if it brings none.

    A request with a token is made with that. Requests that change something must name their origin.
    """
    if "authorization" in request.headers or request.headers.get("sec-fetch-site") != "same-origin":
        return None
    names = _names(request)
    origin = request.headers.get("origin")
    if origin is None:
        possible: Collection[str] = names.values() if request.method in _SAFE else ()
    else:
        possible = [names[origin]] if origin in names else ()
    return next((cookie for name in possible if (cookie := _cookie(request, name)) is not None), None)


def checked_name(request: Request) -> str:
    """Return the name of the cookie for a page that signs in or out.

    Raises CROSS_ORIGIN_REFUSED if the request does not come from such a page, SIGN_IN_NEEDS_TLS if the page
    came in clear text over a network.
    """
    origin = request.headers.get("origin")
    if origin is not None and not request.is_tls and origin == f"http://{_host(request, ':80')}":
        _check_loopback(request)
    name = _names(request).get(origin or "")
    if name is None or request.headers.get("sec-fetch-site") != "same-origin":
        raise TollkeeperError(
            Reason.CROSS_ORIGIN_REFUSED,
            "signing in and out is for browsers on the console's own pages, at the address that the Host "
            "header names; programs send the management token with each call: Authorization: Bearer <token>",
            field="origin",
        )
    return name


def clear_cookie(name: str) -> dict[str, str]:
    """Return the header that has a browser forget the secret."""
    return {"set-cookie": f"{name}=; Max-Age=0; {_attributes(name)}"}


def _attributes(name: str) -> str:
    # Lax, not Strict: who follows a link from elsewhere is still signed in.
    secure = "; Secure" if name.startswith(_HOST_PREFIX) else ""
    return f"Path=/; HttpOnly; SameSite=Lax{secure}"


def _names(request: Request) -> dict[str, str]:
    """Return the origins that pages of the console have at the host of a request, and the cookie of each.

    A browser says truly where a page came from. So a proxy in front that speaks TLS need not be known, if it
    passes the Host header on.
    """
    host = _host(request, ":443")
    names = {f"https://{host}": _SECURE_NAME + _port_part(host)}
    if not request.is_tls and _is_loopback(request):
        host = _host(request, ":80")
        names[f"http://{host}"] = _PLAIN_NAME + _port_part(host)
    return names


def _port_part(host: str) -> str:
    """Return what a port adds to a name, nothing for the usual one."""
    port = _PORT.search(host)
    return f"_{port[1]}" if port else ""


def _host(request: Request, usual_port: str) -> str:
    return request.headers.get("host", "").lower().removesuffix(usual_port)


def _is_loopback(request: Request) -> bool:
    """Return whether the host of a request is the caller's own machine."""
    try:
        name = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def _check_loopback(request: Request) -> None:
    if not _is_loopback(request):
        raise TollkeeperError(
            Reason.SIGN_IN_NEEDS_TLS,
            "signing in wants TLS: in clear text the network could read the management token; open the "
            "console as https:// (settings tls or tls_cert, or a proxy that speaks TLS and passes the Host "
            "header on), or on the machine itself as http://localhost",
        )


def _cookie(request: Request, name: str) -> SessionCookie | None:
    """Return a cookie that comes once. Of several, some may be another page's, set for a path."""
    pairs = (part.strip().partition("=") for part in request.headers.get("cookie", "").split(";"))
    found = [value for key, _, value in pairs if key == name]
    return SessionCookie(name, found[0]) if len(found) == 1 else None
