"""Addresses of names: looked up in threads of their own, shared by all who ask, and kept.

`getaddrinfo` of the system answers, because it alone honours all that a machine is set up by: nsswitch.conf,
/etc/hosts, search domains, local resolvers. It has no time limit, and may hang for half a minute. So each
name has a thread of its own while it is looked up, and holds up nobody but those who want that name.

It tells no TTL either, so every answer is good for the same short time. While look-ups fail, the last good
answer serves on, with the times that RFC 8767 proposes. That a name does not exist is an answer, too.
"""

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from tollkeeper_server.domain.shortage import Shortage, ShortageError, shortage_in
from tollkeeper_server.process.addresses import ABSENT, AddressInfo, literal, system, turned
from tollkeeper_server.telemetry.shortages import shortages

_log = logging.getLogger("tollkeeper.names")

MOST_AT_ONCE = 256
"""The most look-ups under way, each in a thread."""
MOST_NAMES = 1024
"""The most names whose answers are kept; beyond that, those asked for the longest time ago go."""


@dataclass(frozen=True, slots=True)
class Times:
    """How long answers are good, and how long they are waited for, in seconds."""

    fresh: float = 10.0
    """The age up to which an answer is good. Beyond it the name is looked up again, for the next to ask."""
    usable: float = 30.0
    """The age beyond which a new answer is waited for."""
    stale: float = 24 * 3600.0
    """The age up to which the last good answer serves while look-ups fail (RFC 8767, 5: a day or more)."""
    stale_after: float = 1.8
    """The longest wait for a look-up of a name whose last good answer can serve (RFC 8767, 5)."""
    look_up: float = 8.0
    """The longest wait for a look-up. The system asks a second server after five seconds."""
    failed: float = 1.0
    """The time for which a failure is an answer."""


LookUp = Callable[[str, str | None, int, int, int, int], list[AddressInfo]]
"""`socket.getaddrinfo`, without a port unless that has a name. It may block, and raises OSError."""


class Result(StrEnum):
    """What came of look-ups; STALE is each answer that served on while they failed."""

    SUCCESS = "success"
    FAILURE = "failure"
    STALE = "stale"


class _Question(NamedTuple):
    host: str
    service: str | None
    family: int
    type: int
    proto: int
    flags: int


class _Name:
    """What is known of a name, and its look-up if one is under way.

    `problem` is the failure of the last look-up. `turn` counts the times that its addresses were given out.
    """

    __slots__ = ("addresses", "began", "failed_at", "flight", "good_at", "is_stale", "problem", "turn")

    def __init__(self) -> None:
        self.addresses: list[AddressInfo] = []
        self.good_at = 0.0
        self.problem: OSError | None = None
        self.failed_at = 0.0
        self.flight: asyncio.Future[None] | None = None
        self.began = 0.0
        self.is_stale = False
        self.turn = 0


class Names:
    """Finds addresses for one event loop. `clock` returns seconds and is monotonic."""

    def __init__(
        self,
        look_up: LookUp = system,
        *,
        clock: Callable[[], float] = time.monotonic,
        times: Times = Times(),
        most_at_once: int = MOST_AT_ONCE,
    ) -> None:
        self._look_up = look_up
        self._clock = clock
        self._times = times
        self._most_at_once = most_at_once
        self._names: dict[_Question, _Name] = {}
        self.under_way = 0
        """How many look-ups are under way."""
        self.counts = dict.fromkeys(Result, 0)

    async def resolve(
        self,
        host: str | None,
        port: str | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - the word of `getaddrinfo`
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddressInfo]:
        """Return the addresses of a name, as `loop.getaddrinfo` does. An IP address is its own answer.

        Raises `socket.gaierror` if there is none, ValueError if it is not a name, and another OSError if this
        machine has not what a look-up takes.
        """
        service = port if isinstance(port, str) and not port.isdecimal() else None
        question = _Question(host.lower() if host else "", service, family, type, proto, flags)
        name = self._names.pop(question, None)
        if name is None:
            own = literal(host, port, family, type, proto, flags)
            if own is not None:
                return own
            name = _Name()
        self._names[question] = name  # the one asked for last stands last
        self._forget()
        if not (name.addresses and self._age(name) < self._times.fresh):
            await self._renew(question, name)
        return self._given_out(question.host, name, None if service else int(port or 0))

    async def _renew(self, question: _Question, name: _Name) -> None:
        """Look the name up, and wait for that as long as need be."""
        now = self._clock()
        if name.problem is not None and now - name.failed_at < self._times.failed:
            return
        serves = self._serves(name)
        try:
            flight = self._start(question, name)
        except ShortageError:
            if serves:
                return
            raise
        if serves and (name.problem is not None or self._age(name) < self._times.usable):
            return
        left = name.began + (self._times.stale_after if serves else self._times.look_up) - now
        if left > 0:
            await asyncio.wait((flight,), timeout=left)

    def _given_out(self, host: str, name: _Name, port: int | None) -> list[AddressInfo]:
        if self._serves(name):
            if self._age(name) >= self._times.usable:
                self._note_stale(host, name)
            name.turn += 1
            return turned(name.addresses, name.turn, port)
        if name.problem is not None and name.flight is None:
            # A new error for each caller: every one would add to the traceback of a common one.
            raise type(name.problem)(*name.problem.args)
        raise socket.gaierror(socket.EAI_AGAIN, f"no answer within {self._times.look_up:g} seconds")

    def _note_stale(self, host: str, name: _Name) -> None:
        self.counts[Result.STALE] += 1
        if not name.is_stale:
            name.is_stale = True
            _log.warning(
                "the name %s can't be looked up (%s); its last addresses serve on: %s",
                host,
                name.problem or "no answer yet",
                ", ".join(sorted({str(info[4][0]) for info in name.addresses})),
            )

    def _serves(self, name: _Name) -> bool:
        return bool(name.addresses) and self._age(name) < self._times.stale

    def _age(self, name: _Name) -> float:
        return self._clock() - name.good_at

    def _start(self, question: _Question, name: _Name) -> asyncio.Future[None]:
        """Return the look-up of the name that is under way, or begin one. Raises `ShortageError`."""
        if name.flight is not None:
            return name.flight
        if self.under_way >= self._most_at_once:
            shortages.note(Shortage.LOOK_UPS, "a name could not be looked up")
            raise ShortageError(Shortage.LOOK_UPS)
        loop = asyncio.get_running_loop()
        flight = loop.create_future()
        # A daemon: a look-up that hangs does not keep the process from ending.
        thread = threading.Thread(target=self._ask, args=(loop, question), name="look-up", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            shortages.note(Shortage.THREADS, "a name could not be looked up")
            raise ShortageError(Shortage.THREADS) from None
        self.under_way += 1
        name.flight = flight
        name.began = self._clock()
        return flight

    def _ask(self, loop: asyncio.AbstractEventLoop, question: _Question) -> None:
        """Look a name up. This runs in a thread."""
        host, service, *hints = question
        outcome: list[AddressInfo] | OSError
        try:
            outcome = self._look_up(host, service, *hints)
        except OSError as error:
            outcome = _own_problem() or error
        except Exception:  # noqa: BLE001 - the outermost frame of a thread, for whose end callers wait
            _log.exception("the name %s could not be looked up", host)
            outcome = socket.gaierror(socket.EAI_FAIL, "something went wrong here")
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(self._land, question, outcome)

    def _land(self, question: _Question, outcome: list[AddressInfo] | OSError) -> None:
        self.under_way -= 1
        name = self._names[question]
        now = self._clock()
        if isinstance(outcome, list):
            if name.is_stale:
                _log.info("the name %s can be looked up again", question.host)
            self.counts[Result.SUCCESS] += 1
            name.addresses, name.good_at = outcome, now
            name.problem = None
            name.is_stale = False
        else:
            self.counts[Result.FAILURE] += 1
            name.problem, name.failed_at = outcome, now
            if isinstance(outcome, socket.gaierror) and outcome.errno in ABSENT:
                name.addresses = []
        flight, name.flight = name.flight, None
        assert flight is not None
        flight.set_result(None)

    def _forget(self) -> None:
        if len(self._names) <= MOST_NAMES:
            return
        for question, name in self._names.items():
            if name.flight is None:
                del self._names[question]
                return


def _own_problem() -> OSError | None:
    """Return what this machine lacks for look-ups. The C library says of it that a name does not exist."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
    except OSError as error:
        return error if shortage_in(error) is not None else None
    return None
