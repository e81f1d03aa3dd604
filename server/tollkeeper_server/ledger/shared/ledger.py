"""The shared ledger in a process: a member, its connection to the table, and time."""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from tollkeeper_server.domain.limit import Charge
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.ledger.meter import Meter
from tollkeeper_server.ledger.port import Crossed
from tollkeeper_server.ledger.reservation import Outcome, Pending, Refused, Standing
from tollkeeper_server.ledger.shared.member import PATIENCE, Member
from tollkeeper_server.ledger.shared.messages import GATHERING, MANY, Message, decode

T = TypeVar("T")
_log = logging.getLogger("tollkeeper.ledger")
_SECOND = 1_000_000
_TICK_SECONDS = 0.1
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5


class Connection(Protocol):
    """A connection to the table."""

    def send(self, request: Message) -> None:
        """Send a request; it is harmless if the connection is gone."""

    def close(self) -> None:
        """Give the connection up. `lost` is called, if it was not."""


Connect = Callable[[Callable[[bytes], None], Callable[[], None]], Awaitable[Connection]]
"""Connects to the table. One function takes each reply, the other hears once that it is lost.

Raises OSError if it can't connect.
"""
SpentByOthers = Callable[[str, int, Sequence[str]], Awaitable[int]]
"""Returns what all but these members have spent of a budget in a period. Raises `StoreUnavailableError`."""


class SharedLedger:
    """`Ledger` of several processes. It answers when the table does, or at once while that is away.

    `now` of its methods is not looked at: the table's clock counts. A threshold is told once a period and
    amount, by the process whose request reached it.
    """

    def __init__(
        self,
        name: str,
        connect: Connect,
        spent_by_others: SpentByOthers,
        *,
        crossed: Crossed | None = None,
        beyond: Callable[[str], object] | None = None,
        untold: Callable[[bool], object] | None = None,
        expected: int = MANY,
    ) -> None:
        """Take a name that no other process ever has; see `Member` for `beyond`, `untold` and `expected`."""
        self.member = Member(name, self, crossed=crossed, beyond=beyond, untold=untold, expected=expected)
        self._connect = connect
        self._spent_by_others = spent_by_others
        self._connection: Connection | None = None
        self._lost = asyncio.Event()
        self._changed = asyncio.Event()
        self._flushing = False
        self._looks = 0
        self._keeping: asyncio.Task[None] | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self._asking: set[asyncio.Task[None]] = set()

    @property
    def answers(self) -> bool:
        """Whether the table answers."""
        return self.member.ready

    async def open(self, patience: float = 2 * PATIENCE / _SECOND) -> None:
        """Begin to connect, and return when the table answers, or after `patience` seconds."""
        self._keeping = asyncio.create_task(self._keep_connected(), name="ledger")
        self._tick()
        await self._until(lambda: self.member.ready, patience)

    async def close(self, patience: float = 2 * PATIENCE / _SECOND) -> None:
        """Tell the table what is to tell, and that this process ends; give up after `patience` seconds."""
        self.member.leave()
        await self._until(lambda: self.member.idle, patience)
        if self._ticking is not None:
            self._ticking.cancel()
        tasks = {*self._asking, *([self._keeping] if self._keeping is not None else [])}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self.drop()

    def reserve(
        self, reservation_id: str, /, meters: Sequence[Meter], needs: Sequence[int], now: int
    ) -> Outcome | Awaitable[Outcome]:
        """As the port says."""
        del now
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.member.reserve(reservation_id, meters, needs, _now(), _teller(future))
        return future.result() if future.done() else self._wait(reservation_id, future)

    def top_up(
        self, reservation_id: str, /, needs: Sequence[int], now: int
    ) -> Outcome | Awaitable[Outcome | None] | None:
        """As the port says."""
        del now
        future: asyncio.Future[Outcome | None] = asyncio.get_running_loop().create_future()
        self.member.top_up(reservation_id, needs, _now(), lambda answer: _set(future, answer))
        return future.result() if future.done() else future

    def settle(self, reservation_id: str, /, actual: Sequence[int]) -> bool:
        """As the port says."""
        return self.member.settle(reservation_id, actual)

    def give_back(self, reservation_id: str, /) -> bool:
        """As the port says."""
        return self.member.give_back(reservation_id)

    def standing(self, meter: Meter, /, now: int) -> Standing | None:
        """As the port says."""
        del now
        return self.member.standing(meter, _now())

    def left(self, rate: Meter, /, now: int) -> tuple[int, int] | None:
        """As the port says."""
        standing = self.standing(rate, now)
        return None if standing is None else (standing.remaining, standing.reset or 0)

    def sweep(self, now: int) -> set[str]:
        """Forget meters that stand as if they were new, and return their keys."""
        del now
        return self.member.sweep(_now())

    async def look(self, meters: Sequence[Meter], /, now: int) -> list[Standing | None]:
        """As the port says. Without an answer of the table, as it has answered this process before."""
        del now
        if self.member.ready:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout((GATHERING + PATIENCE) / _SECOND):
                    return await self._look_and_ask(meters)
        return [self.member.standing(meter, _now()) for meter in meters]

    async def _look_and_ask(self, meters: Sequence[Meter]) -> list[Standing | None]:
        found = await self._look(meters)
        unknown = [meter for meter, standing in zip(meters, found, strict=True) if standing is None]
        if unknown:
            # Some of it must be reserved, if only nothing, for the table to ask what was spent.
            self._looks += 1
            reservation_id = f"look {self._looks}"
            made = self.reserve(reservation_id, unknown, (0,) * len(unknown), 0)
            if not isinstance(made, Outcome):
                await made
            self.member.give_back(reservation_id)
            found = await self._look(meters)
        return found

    async def take_over(self, owner: str, charges: Sequence[Charge], held: Sequence[Charge]) -> None:
        """Count what a process that died has spent, before its events are stored as this one's.

        `held` is how much of that it held when it died.
        Returns when the table has counted it; without it, after a while: a new epoch counts it then.
        """
        self.member.take_over(owner, _numbers(charges), {(it.key, it.period): it.amount for it in held})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * PATIENCE / _SECOND):
                await self.told()

    def charge(self, charges: Sequence[Charge]) -> None:
        """Count what this process has spent past it; negative amounts are given back."""
        self.member.charge(_numbers(charges))

    def begin_again(self) -> None:
        """Have all tell the table anew: it lacks what a process knew that has died."""
        self.member.begin_again()

    async def members(self) -> Sequence[str] | None:
        """Return all that have joined the present epoch; None if the table does not answer."""
        if self.member.ready:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GATHERING / _SECOND):
                    self.member.hear_names()
                    await self.told()
                    return self.member.names
        return None

    async def told(self) -> None:
        """Return once the table knows all that this process has to tell by now."""
        await self._look(())

    async def _look(self, meters: Sequence[Meter]) -> list[Standing | None]:
        future: asyncio.Future[list[Standing | None]] = asyncio.get_running_loop().create_future()
        self.member.look(meters, lambda standings: _set(future, standings))
        return await future

    # -- the line of the member

    def send(self, request: Message) -> None:
        """Send a request of the member's."""
        if self._connection is not None:
            self._connection.send(request)

    def drop(self) -> None:
        """Give the connection up."""
        if self._connection is not None:
            self._connection.close()

    def wake(self) -> None:
        """Have the member send at the end of this turn of the event loop."""
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def ask(self, key: str, period: int, members: Sequence[str]) -> None:
        """Ask what others have spent."""
        task = asyncio.create_task(self._ask(key, period, members))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _ask(self, key: str, period: int, members: Sequence[str]) -> None:
        spent: int | None = None
        try:
            spent = await self._spent_by_others(key, period, members)
        except StoreUnavailableError:
            _log.warning("the store does not say what was spent of %s; requests under it are refused", key)
        finally:
            self.member.seed(key, period, members, spent, _now())

    # -- its life

    async def _wait(self, reservation_id: str, future: asyncio.Future[Outcome]) -> Outcome:
        try:
            return await future
        except asyncio.CancelledError:
            # The answer may have come in this very turn.
            self.member.cancel(reservation_id)
            self.member.give_back(reservation_id)
            raise

    def _flush(self) -> None:
        self._flushing = False
        self.member.flush(_now())

    def _tick(self) -> None:
        self.member.tick(_now())
        self._ticking = asyncio.get_running_loop().call_later(_TICK_SECONDS, self._tick)

    def _received(self, reply: bytes) -> None:
        self.member.received(decode(reply), _now())
        self._changed.set()

    async def _keep_connected(self) -> None:
        pause, told = _FIRST_PAUSE, False
        while True:
            self._lost.clear()
            try:
                self._connection = await self._connect(self._received, self._lost.set)
            except OSError as error:
                if not told:
                    _log.warning("the shared ledger does not answer, going on with a share: %s", error)
                    told = True
                self.member.disconnected(_now())
            else:
                pause = _FIRST_PAUSE
                self.member.connected(_now())
                await self._lost.wait()
                self._connection = None
                self.member.disconnected(_now())
                if told:
                    _log.info("the shared ledger answered again")
                told = False
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads the load
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _until(self, done: Callable[[], bool], patience: float) -> None:
        end = time.monotonic() + patience
        while not done() and time.monotonic() < end:
            self._changed.clear()
            try:
                async with asyncio.timeout_at(asyncio.get_running_loop().time() + end - time.monotonic()):
                    await self._changed.wait()
            except TimeoutError:
                return


def _numbers(charges: Iterable[Charge]) -> list[tuple[str, int, int]]:
    return [(it.key, it.period, it.amount) for it in charges]


def _now() -> int:
    return time.monotonic_ns() // 1000


def _set(future: asyncio.Future[T], value: T) -> None:
    if not future.done():
        future.set_result(value)


def _teller(future: asyncio.Future[Outcome]) -> Callable[[Outcome | None], None]:
    def tell(answer: Outcome | None) -> None:
        assert isinstance(answer, (Pending, Refused))
        _set(future, answer)

    return tell
