"""What operators and their machines ask of a server: is it alive, is it ready, which version."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

from tollkeeper_server.doors.http import Response, json_response

Readiness = Callable[[], Awaitable[Mapping[str, str | None]]]
"""Returns what is wrong, by part; None where nothing is."""

_STAND_IN_THE_WAY = {"snapshot", "draining"}

_UNCACHED = {"cache-control": "no-store"}


def is_ready(problems: Mapping[str, str | None]) -> bool:
    """Tells whether traffic should be sent here in spite of these problems."""
    return not any(problem for part, problem in problems.items() if part in _STAND_IN_THE_WAY)


def health(version: str) -> Response:
    """Answers that the process is alive, in the form that sofatutor's callers know."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return json_response(200, {"status": "ok", "timestamp": now, "version": version}, _UNCACHED)


def live() -> Response:
    """Answers that the process is alive; a process that is not should be replaced."""
    return json_response(200, {"status": "ok"}, _UNCACHED)


async def readiness(ready: Readiness) -> Response:
    """Answers whether traffic should be sent here, 200 or 503, and what is wrong.

    That the store is away, say, is told and keeps no traffic away, which goes on for who is known; if every
    gateway gave up at once, it could not. When that time is over, the snapshot stands in the way.
    """
    problems = await ready()
    served = is_ready(problems)
    content = {
        "status": "ready" if served else "not ready",
        "checks": {part: problem or "ok" for part, problem in problems.items()},
    }
    return json_response(200 if served else 503, content, _UNCACHED)
