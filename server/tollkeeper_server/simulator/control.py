"""The endpoints under `/_simulator/`, by which tests read what the simulator has received.

    GET    /_simulator/health                               {"status": "ok", "requests": N, "in_flight": N}
    GET    /_simulator/requests                             {"requests": [...]}, the last ones, oldest first
    DELETE /_simulator/requests                             forgets the requests
    GET    /_simulator/requests/next?timeout=SECONDS        waits for a request to arrive in full
    GET    /_simulator/requests/next-cancel?timeout=SECONDS waits for a client to leave before the end
    GET    /_simulator/image.png                            the image that image URLs lead to

The two that wait return every request once, oldest first. They answer 204 when the time-out is over: 5
seconds by default, at most 60. These endpoints need no key, and their requests are not recorded.
"""

from tollkeeper_server.simulator.images import IMAGE_PATH, PNG
from tollkeeper_server.simulator.recorder import Record
from tollkeeper_server.simulator.reply import Answer, RefusalError, as_json
from tollkeeper_server.simulator.request import Request
from tollkeeper_server.simulator.state import State

PREFIX = "/_simulator/"
_MAX_WAIT_SECONDS = 60.0


async def answer(request: Request, state: State) -> Answer:
    """Return the answer to a request below `PREFIX`. Raises `RefusalError`."""
    recorder = state.recorder
    match (request.method, request.path):
        case ("GET", "/_simulator/health"):
            return as_json({"status": "ok", "requests": recorder.total, "in_flight": recorder.in_flight})
        case ("GET", "/_simulator/requests"):
            return as_json({"requests": recorder.all()})
        case ("DELETE", "/_simulator/requests"):
            recorder.clear()
            return Answer(b"", 204)
        case ("GET", "/_simulator/requests/next"):
            return _collected(await recorder.next_received(_wait(request)))
        case ("GET", "/_simulator/requests/next-cancel"):
            return _collected(await recorder.next_cancelled(_wait(request)))
        case ("GET", path) if path == IMAGE_PATH:
            return Answer(PNG, content_type=b"image/png")
    raise RefusalError(404, f"The simulator has no {request.method} {request.path}; see simulator/control.py")


def _wait(request: Request) -> float:
    text = request.query("timeout") or "5"
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= _MAX_WAIT_SECONDS:
        raise RefusalError(
            400, f"timeout must lie between 0 and {_MAX_WAIT_SECONDS:.0f} seconds", param="timeout"
        )
    return seconds


def _collected(record: Record | None) -> Answer:
    return Answer(b"", 204) if record is None else as_json(record)
