"""nginx, which Debian has as nginx-light, as one process with one server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.programs import Program, find
from tests.servers.report import cannot_run

_START_SECONDS = 20.0
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@asynccontextmanager
async def running_nginx(folder: Path, port: int, server: str) -> AsyncIterator[None]:
    """Run nginx within the block, with the inside of its `server`, which listens on `port` of 127.0.0.1."""
    program = find(Program.NGINX)
    if program is None:
        cannot_run("nginx")
    assert program is not None
    paths = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in _TEMPORARY)
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors; events {{}}\n"
        f"http {{ access_log off; {paths}\nserver {{ {server} }} }}\n"
    )
    arguments = ("-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "errors"))
    process = await asyncio.create_subprocess_exec(program, *arguments)
    try:
        async with asyncio.timeout(_START_SECONDS):
            while process.returncode is None:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionError:
                    await asyncio.sleep(0.02)  # it says nothing when it is ready
                else:
                    writer.close()
                    break
        assert process.returncode is None, (folder / "errors").read_text()
        yield
    finally:
        if process.returncode is None:
            process.kill()  # one process alone looks for a signal only when something else happens, too
        await process.wait()
