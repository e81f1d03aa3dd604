"""Telling systemd that a server process is ready, and starting the process that takes over from it."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading

from tollkeeper_server.process.orphans import Orphans
from tollkeeper_server.process.takeover import FIRST_PROCESS

_log = logging.getLogger("tollkeeper.takeover")
_TAKEOVER = "--takeover"


def tell_ready() -> None:
    """Tell systemd, if it asked, that this process serves and is the one to watch (sd_notify(3))."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    name = f"\0{path[1:]}" if path.startswith("@") else path
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.connect(name)
        systemd.sendall(f"READY=1\nMAINPID={os.getpid()}".encode())


def replace_on_signal(orphans: Orphans) -> None:
    """At SIGUSR2, start this process's command again, to take over from it. Its failure changes nothing.

    The first process of a container is not replaced: the container ends with it.
    """
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, _start_successor, orphans)


def _start_successor(orphans: Orphans) -> None:
    if os.getpid() == 1:
        _log.error("SIGUSR2 was ignored: %s", FIRST_PROCESS)
        return
    command = [*sys.orig_argv, *([] if _TAKEOVER in sys.orig_argv else [_TAKEOVER])]
    try:
        successor = subprocess.Popen(command, executable=sys.executable)  # noqa: S603 - our own command
    except OSError as error:
        _log.error("the process that was to take over did not start: %s", error)
        return
    orphans.spare(successor.pid)
    _log.info("process %d was started to take over", successor.pid)
    # It outlives this process, unless it fails; then this process logs its end.
    loop = asyncio.get_running_loop()
    threading.Thread(target=_watch, args=(successor, orphans, loop), daemon=True).start()


def _watch(successor: subprocess.Popen[bytes], orphans: Orphans, loop: asyncio.AbstractEventLoop) -> None:
    _log.error("the process %d that was to take over ended with %d", successor.pid, successor.wait())
    with contextlib.suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(orphans.collected, successor.pid)
