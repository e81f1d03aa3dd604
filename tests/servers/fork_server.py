"""A process that has imported the gateway, and that forks into each one that tests start.

    python -m tests.servers.fork_server LISTENING_DESCRIPTOR

Each connection asks for one command: JSON as of `Wanted`, with the descriptors of its standard output and
standard error. The answer is its pid with a pidfd; when the command has ended its exit status follows, as
`subprocess` has it. The server ends when its standard input
does, and what it has forked with it.
"""

import gc
import os
import resource
import selectors
import signal
import socket
import sys
from dataclasses import dataclass

import msgspec

_MOST_ASKED = 1 << 20


class Wanted(msgspec.Struct, frozen=True):
    """A command, and what it would have from its parent."""

    arguments: list[str]
    environment: dict[str, str]
    directory: str
    descriptors: tuple[int, int]
    """The soft and the hard limit of how many can be open."""


@dataclass(frozen=True, slots=True)
class _Child:
    pid: int
    asked: socket.socket


def wait_to_be_forked(listener: socket.socket) -> None:
    """Serve until there is nobody to serve. Return in each child, which is as the command's process is."""
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(0, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj == 0:
                    _end_all(selector)
                if isinstance(key.data, _Child):
                    selector.unregister(key.fd)
                    _bury(key.fd, key.data)
                else:
                    child = _fork(listener.accept()[0])
                    if child is None:
                        return
                    selector.register(os.pidfd_open(child.pid), selectors.EVENT_READ, child)


def _end_all(selector: selectors.BaseSelector) -> None:
    for key in selector.get_map().values():
        if isinstance(key.data, _Child):
            os.kill(key.data.pid, signal.SIGKILL)
    os._exit(0)


def _bury(descriptor: int, child: _Child) -> None:
    status = os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])
    os.close(descriptor)
    with child.asked as asked:
        asked.sendall(str(status).encode())


def _fork(asked: socket.socket) -> _Child | None:
    message, descriptors, _, _ = socket.recv_fds(asked, _MOST_ASKED, 2)
    pid = os.fork()
    if pid == 0:
        _become(msgspec.json.decode(message, type=Wanted), descriptors)
        return None
    for descriptor in descriptors:
        os.close(descriptor)
    pidfd = os.pidfd_open(pid)
    socket.send_fds(asked, [str(pid).encode()], [pidfd])
    os.close(pidfd)
    return _Child(pid, asked)


def _become(wanted: Wanted, outputs: list[int]) -> None:
    for number, descriptor in enumerate([os.open(os.devnull, os.O_RDONLY), *outputs]):
        os.dup2(descriptor, number)
    os.environ.clear()
    os.environ.update(wanted.environment)
    os.chdir(wanted.directory)
    sys.argv[1:] = wanted.arguments
    sys.orig_argv = [sys.executable, "-m", "tollkeeper_server", *wanted.arguments]
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    resource.setrlimit(resource.RLIMIT_NOFILE, wanted.descriptors)


def main() -> None:
    """Import what the commands need, and be whichever is asked for."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    gc.disable()
    # What the command sets before its imports.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    import tollkeeper_server.process.run
    import tollkeeper_server.process.simulate
    import tollkeeper_server.store.sqlite.store  # noqa: F401
    from tollkeeper_server.__main__ import main as run_command

    gc.collect()
    gc.freeze()
    wait_to_be_forked(listener)
    gc.enable()
    run_command()


if __name__ == "__main__":
    main()
