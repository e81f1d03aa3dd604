"""The handling of signals by the event loop of a server."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Coroutine

from tollkeeper_server.process.held_signals import STOPPING, held, name_of, unused_signals

_log = logging.getLogger("tollkeeper.process")


def stop_on_signals(at_once: Callable[[], None] = lambda: None) -> asyncio.Event:
    """Return an event that SIGINT and SIGTERM set.

    A second signal ends the process at once, after `at_once`.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():  # a second signal means that its sender does not want to wait
            at_once()
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
            os._exit(128 + number)  # the first process of a container outlives a signal without a handler
        stop.set()

    for number in STOPPING:
        loop.add_signal_handler(number, on_signal, number)
    return stop


class Signals:
    """The signals of a server from when its event loop runs; `stop` is set when it is to end.

    SIGHUP is kept until there is something to reload. Signals that a server has no use for are told and have
    no effect, SIGUSR2 until this server is ready.
    """

    def __init__(self, at_once: Callable[[], None] = lambda: None) -> None:
        """Take over the signals that were held; see `stop_on_signals`. Needs a running loop."""
        self.stop = stop_on_signals(at_once)
        self._loop = loop = asyncio.get_running_loop()
        self._hung_up = False
        loop.add_signal_handler(signal.SIGHUP, self._keep_hangup)
        loop.add_signal_handler(signal.SIGUSR2, _ignore, signal.SIGUSR2)
        for number in unused_signals():
            loop.add_signal_handler(number, _ignore, number)
        for number in sorted(held):
            if number == signal.SIGHUP:
                self._keep_hangup()
            else:
                _ignore(number)
        held.clear()

    def on_hangup(self, reload: Callable[[], Coroutine[None, None, None]]) -> None:
        """Call `reload` at each SIGHUP, and now if one came before."""
        running: set[asyncio.Task[None]] = set()

        def on_signal() -> None:
            task = asyncio.ensure_future(reload())
            running.add(task)
            task.add_done_callback(running.discard)

        self._loop.add_signal_handler(signal.SIGHUP, on_signal)
        if self._hung_up:
            on_signal()

    def _keep_hangup(self) -> None:
        self._hung_up = True


def _ignore(number: int) -> None:
    _log.warning("%s has no effect, and was ignored", name_of(number))
