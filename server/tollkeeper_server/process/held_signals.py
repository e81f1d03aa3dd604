"""The signals of a server, and what becomes of them until its event loop handles them.

By default most signals end a process, and as the first process of a container it does not get those that it
has no handler for. So each one has a handler from the start. Nothing is imported here that takes long.
"""

import os
import signal
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM)
# What stops and continues processes, what tells of faults in them, and what has no effect by default. The
# kernel sends SIGPIPE and SIGXFSZ for each write that fails, such as to a caller who has left: Python ignores
# them, and the write tells its error.
_LEFT_ALONE = {
    *("SIGKILL", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGCONT"),
    *("SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGSEGV", "SIGSYS", "SIGEMT"),
    *("SIGCHLD", "SIGURG", "SIGWINCH", "SIGINFO", "SIGPIPE", "SIGXFSZ"),
}
_ACTED_ON = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2}

held: set[int] = set()
"""The signals that came while they were held."""


def name_of(number: int) -> str:
    """Return a signal's name, such as SIGHUP; real-time signals have only two, the others their number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def unused_signals() -> list[int]:
    """Return the signals that a server has no use for and that would end it."""
    return sorted(
        number
        for number in signal.valid_signals()
        if number not in _ACTED_ON and name_of(number) not in _LEFT_ALONE
    )


def hold_signals() -> None:
    """End this process with 0 when it is to stop; note every other signal in `held`."""
    for stopping in STOPPING:
        signal.signal(stopping, _end)
    for number in (signal.SIGHUP, signal.SIGUSR2, *unused_signals()):
        signal.signal(number, _note)


def _end(_number: int, _frame: FrameType | None) -> None:
    # Nothing is open yet, and an exception could be caught by the import that it breaks off.
    os._exit(0)


def _note(number: int, _frame: FrameType | None) -> None:
    held.add(number)
