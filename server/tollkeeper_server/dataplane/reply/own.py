"""What the gateway answers by itself, without a token: its pages, OPTIONS, browsers that ask for leave."""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version as distribution_version

import msgspec
from msgspec import Struct

from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.request.endpoint import HEALTH
from tollkeeper_server.domain.headers import Header
from tollkeeper_server.errors import Reason, TollkeeperError

_GET_ONLY = frozenset({"GET", "HEAD"})


class OwnAnswer(Struct, frozen=True, gc=False):
    """The answer that the gateway itself gives: JSON, or nothing with status 204.

    `about` says in words what it is.
    """

    body: bytes
    about: str
    status: int = 200
    headers: tuple[Header, ...] = ()


def own_answer(exchange: Exchange) -> OwnAnswer:
    """Return the answer to OPTIONS, or to a request for one of the gateway's pages.

    Raises CROSS_ORIGIN_REFUSED, or METHOD_NOT_ALLOWED.
    """
    endpoint = exchange.endpoint
    if exchange.method == "OPTIONS":
        check_origin(exchange.headers)
        allow = (b"allow", endpoint.methods.encode())
        return OwnAnswer(b"", "the gateway answers by itself, with the methods there are", 204, (allow,))
    if exchange.method not in _GET_ONLY:
        raise method_not_allowed(exchange.method, endpoint.methods)
    content = health(_VERSION) if endpoint is HEALTH else _WELCOME
    return OwnAnswer(msgspec.json.encode(content), "the gateway answers by itself, without a token")


def check_origin(headers: Mapping[bytes, bytes]) -> None:
    """Raise CROSS_ORIGIN_REFUSED for a preflight: a browser asks whether another site's page may call."""
    if b"origin" in headers and b"access-control-request-method" in headers:
        raise TollkeeperError(
            Reason.CROSS_ORIGIN_REFUSED,
            "calls from browsers on pages of other origins are not permitted here; "
            "call the gateway from your server, or through a proxy on the page's own origin",
            field="origin",
        )


def method_not_allowed(method: str, allowed: str) -> TollkeeperError:
    """Return the error for a method that a path does not have. `allowed` lists those it has."""
    return TollkeeperError(Reason.METHOD_NOT_ALLOWED, f"{method} is not possible here; use {allowed}")


def health(version: str) -> dict[str, str]:
    """Return what says that the process is alive, in the form of sofatutor's gateway."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"status": "ok", "timestamp": now, "version": version}


_VERSION = distribution_version("tollkeeper")
_WELCOME = {
    "name": "Tollkeeper",
    "version": _VERSION,
    "about": "A gateway to the APIs of LLM providers. Give clients this address with /v1 as their base URL, "
    "and a token of the gateway (sk-tk-…) as their API key.",
    "base_url": "/v1",
    "models": "/v1/models",
    "health": "/health",
    "console": "The management API has a port of its own, TOLLKEEPER_CONSOLE_ADDRESS; its /docs describe it.",
}
