"""Redirects of upstreams: followed on the upstream's own origin, and never anywhere else.

A redirect to elsewhere is an answer for the caller, who then asks without the gateway and without the
upstream's credential. What would show the caller where the upstream is, is an error.
"""

import re
import time
from urllib.parse import urljoin, urlsplit

from msgspec.structs import replace

from tollkeeper_server.dataplane.addresses import host_of, names_host
from tollkeeper_server.dataplane.transport import (
    Incoming,
    Outgoing,
    Parts,
    TimeoutExpiredError,
    Transport,
    TransportError,
)

REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_REDIRECTS = 5
"""How many are followed, one after the other, for one call."""

_PORTS = {"http": 80, "https": 443}
# What parsers of URLs disagree about, and what has no place in one.
_UNCLEAR = re.compile(r"[\x00-\x20\x7f\\]")
# Fetch drops these with the body they describe.
_OF_BODY = frozenset({b"content-encoding", b"content-language", b"content-location", b"content-type"})


class RedirectError(TransportError):
    """An upstream redirected to where nothing is sent."""


async def follow(transport: Transport, request: Outgoing, incoming: Incoming, began: float) -> Incoming:
    """Return the answer at the end of the redirects that `incoming` begins.

    `began` is when the call began, a time of the monotonic clock: the time limits hold for all of it. Raises
    `TransportError`.
    """
    limits = request.timeouts
    left = MAX_REDIRECTS
    while incoming.status in REDIRECTS:
        try:
            url = _own_url(request.url, _location(incoming))
            if url is None:
                break
            if left == 0:
                raise RedirectError(f"it redirects more than {MAX_REDIRECTS} times, one after the other")
            request = _redirected(request, incoming.status, url)
            spent = time.monotonic() - began
            # How long the sending of an upload took is not known.
            first_byte = (
                limits.first_byte - spent if isinstance(request.body, bytes | Parts) else limits.first_byte
            )
            if min(first_byte, limits.total - spent) <= 0:
                raise TimeoutExpiredError("the upstream did not answer in time")
            timeouts = replace(request.timeouts, first_byte=first_byte, total=limits.total - spent)
            request = replace(request, timeouts=timeouts)
        except TransportError:
            incoming.close()
            raise
        left -= 1
        # What has arrived is dropped, so that the connection serves on; more is not waited for.
        incoming.whole_body()
        incoming.close()
        incoming = await transport.open(request)
    return incoming


def _location(incoming: Incoming) -> str:
    places = {value for name, value in incoming.headers if name.lower() == b"location" and value}
    if len(places) > 1:
        raise RedirectError("it redirects to two places at once")
    return places.pop().decode("latin-1") if places else ""


def _own_url(url: str, location: str) -> str | None:
    """Return where a redirect leads on the origin of `url`, None if it leads elsewhere or nowhere.

    What is asked there is the location's; the origin is that of `url` to the letter.
    """
    if not location:
        return None
    own = urlsplit(url)
    try:
        joined = urljoin(url, location)
        place = urlsplit(joined)
        same = _origin(joined) == _origin(url)
    except ValueError:
        raise RedirectError("it redirects to what is no URL") from None
    if not same:
        if names_host(location, host_of(url)):
            raise RedirectError(
                "it redirects to another scheme or port of its host, or by a URL that shows it; have an "
                "administrator set base_url to where it serves"
            )
        return None
    if _UNCLEAR.search(location):
        raise RedirectError("it redirects to what is no URL")
    scheme, _, _ = url.partition("://")
    query = f"?{place.query}" if place.query else ""
    return f"{scheme}://{own.netloc}{place.path or '/'}{query}"


def _origin(url: str) -> tuple[str, str, int | None]:
    """Return the scheme, host and port of a URL. Raises ValueError if it has a port that is none."""
    parts = urlsplit(url)
    return parts.scheme, host_of(url), parts.port or _PORTS.get(parts.scheme)


def _redirected(request: Outgoing, status: int, url: str) -> Outgoing:
    """Return the request that follows a redirect (RFC 9110, 15.4, and as Fetch does).

    303 says that the answer is fetched there. For 301 and 302 clients turn POST into GET, too: an upstream
    that wants the same again says 307 or 308.
    """
    method = request.method
    fetches = method not in {"GET", "HEAD"} if status == 303 else method == "POST" and status in {301, 302}
    if fetches:
        headers = [header for header in request.headers if header[0] not in _OF_BODY]
        return replace(request, method="GET", url=url, headers=headers, body=b"", length=None)
    if not isinstance(request.body, bytes | Parts):
        raise RedirectError(
            "it redirects an upload, which streams through and goes once; have an administrator set "
            "base_url to where it serves"
        )
    return replace(request, url=url)
