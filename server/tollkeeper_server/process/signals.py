"""The handling of the signals SIGINT, SIGTERM and SIGHUP."""

import asyncio
import signal
from collections.abc import Callable, Coroutine


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGINT and SIGTERM set; a second signal ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():  # a second signal means that its sender does not want to wait
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)
    return stop


def reload_on_hangup(reload: Callable[[], Coroutine[None, None, None]]) -> None:
    """Call `reload` at each SIGHUP."""
    running: set[asyncio.Task[None]] = set()

    def on_signal() -> None:
        task = asyncio.ensure_future(reload())
        running.add(task)
        task.add_done_callback(running.discard)

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, on_signal)
