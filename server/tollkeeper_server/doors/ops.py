"""The answers for operators and load balancers: `/`, `/health`, `/live` and `/ready`."""

from collections.abc import Awaitable, Callable, Mapping

from tollkeeper_server.dataplane.reply.own import health as health_content
from tollkeeper_server.doors.http import Response, json_response

Readiness = Callable[[], Awaitable[Mapping[str, str | None]]]
"""Returns the problem of each part: None for a part without one, `ABSENT` for one that is not configured."""

ABSENT = "none"

_BLOCKING_PARTS = {"snapshot", "draining"}

_UNCACHED = {"cache-control": "no-store"}


def is_ready(problems: Mapping[str, str | None]) -> bool:
    """Return whether this server should get traffic in spite of these problems."""
    return not any(problem for part, problem in problems.items() if is_blocking(part))


def is_blocking(part: str) -> bool:
    """Return whether a server should get no traffic while this part has a problem."""
    return part in _BLOCKING_PARTS


def health(version: str) -> Response:
    """Answer that the process is alive, in the form of sofatutor's gateway."""
    return json_response(200, health_content(version), _UNCACHED)


def welcome(version: str) -> Response:
    """Lead browsers to the console application, and tell others what this is and where to go."""
    content = {
        "name": "Tollkeeper",
        "version": version,
        "about": "The console of a gateway to the APIs of LLM providers.",
        "console": "/admin/",
        "docs": "/docs",
        "openapi": "/openapi.json",
        "management": "/manage",
        "base_url": "/v1",
        "health": "/health",
    }
    return json_response(302, content, {"location": "/admin/"})


def live() -> Response:
    """Answer that the process is alive; a process that does not answer should be replaced."""
    return json_response(200, {"status": "ok"}, _UNCACHED)


async def readiness(ready: Readiness) -> Response:
    """Answer 200 if this server should get traffic, else 503, with the problems by part.

    A store that is not reachable is reported but does not cause a 503: known tokens still work, and a 503
    from every gateway at once would stop them. When known tokens expire, `snapshot` has a problem: 503.
    """
    problems = await ready()
    served = is_ready(problems)
    content = {
        "status": "ready" if served else "not ready",
        "checks": {part: problem or "ok" for part, problem in problems.items()},
    }
    return json_response(200 if served else 503, content, _UNCACHED)
