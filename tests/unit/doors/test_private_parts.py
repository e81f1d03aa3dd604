"""The parts of libraries that are used though they are not documented.

Hypercorn documents `serve`, `Config` and the types alone. What doors/console_listener.py uses beyond these is
listed here, so that a release which changes one fails here, with its name.
"""

import ast
import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path
from pydoc import locate
from typing import Any

import pytest
import tollkeeper_server
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.protocol import ProtocolWrapper
from hypercorn.protocol.h2 import H2Protocol

SERVER = Path(tollkeeper_server.__file__).parent
DOCUMENTED = {"hypercorn.config.Config", "hypercorn.typing"}
# name -> parameters of those that are called or overridden
USED = {
    "hypercorn.asyncio.lifespan.Lifespan": ["app", "config", "loop", "lifespan_state"],
    "hypercorn.asyncio.lifespan.Lifespan.handle_lifespan": ["self"],
    "hypercorn.asyncio.lifespan.Lifespan.wait_for_startup": ["self"],
    "hypercorn.asyncio.lifespan.Lifespan.wait_for_shutdown": ["self"],
    "hypercorn.asyncio.tcp_server.TCPServer": [
        "app", "loop", "config", "context", "state", "reader", "writer"
    ],
    "hypercorn.asyncio.tcp_server.TCPServer.__await__": ["self"],
    "hypercorn.asyncio.tcp_server.TCPServer._read_data": ["self"],
    "hypercorn.asyncio.tcp_server.TCPServer.protocol_send": ["self", "event"],
    "hypercorn.asyncio.worker_context.WorkerContext": ["max_requests"],
    "hypercorn.events.Event": [],
    "hypercorn.events.RawData": ["data", "address"],
    "hypercorn.events.Updated": ["idle"],
    "hypercorn.protocol.ProtocolWrapper": [
        "app", "config", "context", "task_group", "state", "ssl", "client", "server", "send", "alpn_protocol"
    ],
    "hypercorn.protocol.events.InformationalResponse": ["stream_id", "headers", "status_code"],
    "hypercorn.protocol.h2.H2Protocol.stream_send": ["self", "event"],
    "hypercorn.protocol.h2.H2Protocol": [
        "app", "config", "context", "task_group", "connection_state", "ssl", "client", "server", "send"
    ],
    "hypercorn.utils.wrap_app": ["app", "wsgi_max_body_size", "mode"],
}  # fmt: skip


def imported() -> Iterator[tuple[str, str]]:
    """Yield the files of the server, and what they import from elsewhere by its full name."""
    for file in sorted(SERVER.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((file.name, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((file.name, f"{node.module}.{alias.name}") for alias in node.names)


def test_the_list_names_every_part_that_is_imported() -> None:
    names = {name for _, name in imported() if name.startswith("hypercorn.")}
    undocumented = {
        name for name in names if not any(name == it or name.startswith(f"{it}.") for it in DOCUMENTED)
    }
    assert undocumented == {name for name in USED if locate(name) and name.rpartition(".")[0] not in USED}


def test_no_module_is_imported_whose_name_says_that_it_is_private() -> None:
    private = [
        (file, name)
        for file, name in imported()
        if any(part.startswith("_") and not part.endswith("__") for part in name.split("."))
    ]
    assert private == []


@pytest.mark.parametrize("name", USED)
def test_a_part_takes_what_it_is_given(name: str) -> None:
    part: Any = locate(name)
    assert part is not None, f"{name} is gone"
    assert list(inspect.signature(part).parameters) == USED[name], f"{name} has other parameters"


async def test_the_objects_have_the_attributes_that_are_used() -> None:
    """Those of a connection, and of its protocol when that is HTTP/2."""
    context, config = WorkerContext(None), Config()
    await context.terminated.set()
    args: Any = (None, asyncio.get_running_loop(), config, context, {}, None, "the writer")
    connection: Any = TCPServer(*args)
    assert connection.writer == "the writer"
    assert not connection.send_lock.locked()
    await connection.idle_task.stop()

    args = (None, config, context, None, None, False, None, None, None, "h2")
    protocol = ProtocolWrapper(*args).protocol
    assert isinstance(protocol, H2Protocol)
    assert protocol.idle
    assert protocol.streams == {}
    protocol.connection.initiate_connection()
    protocol.connection.close_connection()
    assert protocol.connection.data_to_send()
    assert "self.protocol = ProtocolWrapper(" in inspect.getsource(TCPServer)
