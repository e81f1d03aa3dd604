"""The processes that a supervisor has forked, and the places that they fill."""

import contextlib
import os
import signal
import socket
import time
from dataclasses import dataclass

from tollkeeper_server.process.workers.child import CONTROL
from tollkeeper_server.process.workers.line import Line, Linked, Message

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0
# A process that has lived so long has not failed at its start.
_LIVED_SECONDS = 10.0


@dataclass(slots=True, eq=False)
class Child:
    """A process: `line` is None once it has hung up."""

    number: int
    pid: int
    line: Line | None
    began: float
    is_ready: bool = False
    problem: str = ""

    @property
    def name(self) -> str:
        """What people call it."""
        return "the controlling process" if self.number == CONTROL else f"worker {self.number}"

    def send(self, message: Message, *sockets: socket.socket) -> None:
        """Tell it something, unless it has hung up."""
        if self.line is not None:
            self.line.send(message, *sockets)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


@dataclass(slots=True)
class Place:
    """A place for a process, and when it may be filled (again)."""

    child: Child | None = None
    due: float = 0.0
    pause: float = _FIRST_PAUSE

    def empty(self) -> None:
        """Note that the process has ended: the sooner it did, the later it is replaced."""
        child, self.child = self.child, None
        now = time.monotonic()
        has_lived = child is None or now - child.began > _LIVED_SECONDS
        self.pause = _FIRST_PAUSE if has_lived else min(2 * self.pause, _LONGEST_PAUSE)
        self.due = now + self.pause


def introduce(worker: Child, control: Child) -> None:
    """Connect a worker and the process that controls."""
    first, second = socket.socketpair()
    with first, second:
        worker.send(Linked(worker.number), first)
        control.send(Linked(worker.number), second)
