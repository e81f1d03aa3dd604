"""The parts of libraries that are used though they are not documented.

What doors/http2/bounded.py overrides of h2 is held here, so that a release which changes it fails here.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import tollkeeper_server
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import RequestReceived
from tollkeeper_server.doors.http2.bounded import BoundedH2

SERVER = Path(tollkeeper_server.__file__).parent


def imported() -> Iterator[tuple[str, str]]:
    """Yield the files of the server, and what they import from elsewhere by its full name."""
    for file in sorted(SERVER.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((file.name, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((file.name, f"{node.module}.{alias.name}") for alias in node.names)


def test_no_module_is_imported_whose_name_says_that_it_is_private() -> None:
    private = [
        (file, name)
        for file, name in imported()
        if any(part.startswith("_") and not part.endswith("__") for part in name.split("."))
    ]
    assert private == []


HEAD = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")]


def connected() -> tuple[H2Connection, BoundedH2]:
    """A caller who knows no limit yet, and a server that has greeted it."""
    caller = H2Connection(H2Configuration(client_side=True))
    server = BoundedH2()
    caller.initiate_connection()
    server.initiate_connection()
    return caller, server


def test_h2_leaves_the_limit_of_streams_to_us() -> None:
    caller, server = connected()
    for number in range(1, 403, 2):
        caller.send_headers(number, HEAD, end_stream=True)
    events = server.receive_data(caller.data_to_send())
    assert sum(isinstance(event, RequestReceived) for event in events) == 201
    assert server.local_settings.max_concurrent_streams == 100


def test_h2_forgets_streams_that_have_ended() -> None:
    caller, server = connected()
    for number in range(1, 6001, 2):
        caller.send_headers(number, HEAD, end_stream=True)
        caller.reset_stream(number, ErrorCodes.CANCEL)
        server.receive_data(caller.data_to_send())
        caller.clear_outbound_data_buffer()
    assert len(server.streams) <= 1
    assert len(server._closed_streams) <= BoundedH2.MAX_CLOSED_STREAMS < 3000
