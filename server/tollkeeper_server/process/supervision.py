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


def replace_on_signal() -> None:
    """At SIGUSR2, start this process's command again, to take over from it. Its failure changes nothing."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, _start_successor)


def _start_successor() -> None:
    command = [*sys.orig_argv, *([] if _TAKEOVER in sys.orig_argv else [_TAKEOVER])]
    try:
        successor = subprocess.Popen(command, executable=sys.executable)  # noqa: S603 - our own command
    except OSError as error:
        _log.error("the process that was to take over did not start: %s", error)
        return
    _log.info("process %d was started to take over", successor.pid)
    # It outlives this process, unless it fails; then this process logs its end.
    threading.Thread(target=_watch, args=(successor,), daemon=True).start()


def _watch(successor: subprocess.Popen[bytes]) -> None:
    _log.error("the process %d that was to take over ended with %d", successor.pid, successor.wait())
