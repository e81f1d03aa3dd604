"""Starts the accounting of a process: journal, drain and ledger, which may be one of several processes."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tollkeeper_server.dataplane.budget.thresholds import Thresholds
from tollkeeper_server.ledger.books import LocalBooks
from tollkeeper_server.ledger.clock import SteadyClock
from tollkeeper_server.ledger.drain import Drain
from tollkeeper_server.ledger.journal import Journal
from tollkeeper_server.ledger.local import LocalLedger
from tollkeeper_server.ledger.orphan import CostOf, Orphan
from tollkeeper_server.ledger.predecessor import FollowingBooks, running_journals
from tollkeeper_server.ledger.shared.messages import MANY
from tollkeeper_server.ledger.sweeping import Sweeping
from tollkeeper_server.process.hourly import do_hourly
from tollkeeper_server.process.keys import data_dir_error
from tollkeeper_server.store.ports import Store

if TYPE_CHECKING:
    from tollkeeper_server.coordination.redis.link import RedisLink
    from tollkeeper_server.ledger.shared.books import SharedBooks
    from tollkeeper_server.ledger.shared.ledger import Connect, SharedLedger

_log = logging.getLogger("tollkeeper.ledger")
_FLUSH_SECONDS = 5.0
_TELL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Accounting:
    """The parts that account for requests. `clock` is the ledger's, in microseconds."""

    journal: Journal
    drain: Drain
    ledger: "LocalLedger | SharedLedger"
    clock: Callable[[], int]

    @property
    def is_shared(self) -> bool | None:
        """Whether the ledger that processes share answers; None if this one has its own."""
        return None if isinstance(self.ledger, LocalLedger) else self.ledger.answers


async def start_accounting(
    stack: AsyncExitStack,
    data_dir: Path,
    store: Store,
    *,
    redis: "RedisLink | None",
    table: "Connect | None" = None,
    expected: int = 1,
    background: bool = True,
    buried: Callable[[str], None] = lambda _: None,
    stored: Callable[[], None],
    thresholds: Thresholds,
    cost_of: CostOf,
) -> Accounting:
    """Return the parts, running, once the ledger has what was spent before this process began.

    With Redis, or a `table` to connect to, the ledger is that of all processes that share it, of which so
    many are `expected`. Unless another process does such work (not `background`), journals of dead ones are
    adopted, and what counts no more is removed. At the end the usage that is settled then is stored.
    `stored` is called whenever events were stored, `thresholds` hears of budgets, and `buried` the names of
    processes that have died. `cost_of` finds what requests of dead processes cost.
    """
    path = data_dir / "journal"
    try:
        journal = Journal(path, soon=asyncio.get_running_loop().call_soon, cost_of=cost_of, adopts=background)
    except OSError as error:
        raise data_dir_error(path, error) from error
    stack.callback(journal.close)
    clock = SteadyClock()
    ledger: LocalLedger | SharedLedger
    books: LocalBooks | SharedBooks
    if redis is None and table is None:
        ledger = LocalLedger(clock, crossed=thresholds.crossed)
        running = running_journals(path, {journal.name, *(it.path.name for it in journal.orphans)})
        if running:
            books = FollowingBooks(
                ledger, store.ledger, store.usage, clock, name=journal.name, journals=running
            )
            stack.callback(books.close)
        else:
            books = LocalBooks(ledger, store.ledger, clock)
    else:
        if redis is not None:
            table, expected = _redis_table(stack, redis), MANY
        assert table is not None
        ledger, books = await _share(stack, table, expected, store, journal, thresholds)

    def take_note(orphan: Orphan) -> None:
        if orphan.has_untold and not isinstance(ledger, LocalLedger):
            ledger.begin_again()

    def bury(orphan: Orphan) -> None:
        buried(orphan.path.name)
        take_note(orphan)

    for orphan in journal.orphans:
        take_note(orphan)
    drain = Drain(journal, store.usage, stored=stored, books=books, buried=bury)
    drain.start()
    stack.push_async_callback(drain.close)
    stack.push_async_callback(drain.flush, _FLUSH_SECONDS)
    await _loaded(books)
    if background:
        members = _nobody if isinstance(ledger, LocalLedger) else ledger.members
        sweeping = Sweeping(store.ledger, clock, journal.name, members)
        do_hourly(stack, "removing what was spent in past periods", sweeping.sweep)

    async def forget() -> None:
        thresholds.beyond.difference_update(ledger.sweep(clock()))

    do_hourly(stack, "forgetting meters that nobody uses", forget)
    return Accounting(journal, drain, ledger, clock)


async def _nobody() -> Sequence[str]:
    """Return the members of a ledger that is not shared."""
    return ()


def _redis_table(stack: AsyncExitStack, redis: "RedisLink") -> "Connect":
    # Without Redis its driver is not imported.
    from tollkeeper_server.coordination.redis.script import connect_script
    from tollkeeper_server.coordination.redis.sweeping import KeySweeping
    from tollkeeper_server.ledger.shared.script import PREFIX, SCRIPT, by_script
    from tollkeeper_server.ledger.shared.sweep import EPOCH_KEY, SWEEP

    sweeping = KeySweeping(redis, SWEEP, PREFIX, EPOCH_KEY)
    do_hourly(stack, "removing unused keys from Redis", sweeping.sweep_in_turn)
    return by_script(partial(connect_script, redis, SCRIPT))


async def _share(
    stack: AsyncExitStack,
    connect: "Connect",
    expected: int,
    store: Store,
    journal: Journal,
    thresholds: Thresholds,
) -> "tuple[SharedLedger, SharedBooks]":
    from tollkeeper_server.ledger.shared.books import SharedBooks
    from tollkeeper_server.ledger.shared.ledger import SharedLedger

    ledger = SharedLedger(
        journal.name,
        connect,
        store.ledger.spent_by_others,
        crossed=thresholds.crossed,
        beyond=thresholds.beyond.add,
        untold=journal.mark_untold,
        expected=expected,
    )
    stack.push_async_callback(ledger.close)
    await ledger.open()
    return ledger, SharedBooks(ledger, store.ledger, store.usage, journal.name)


async def _loaded(books: "LocalBooks | SharedBooks") -> None:
    """Wait for what was spent before this process began, and say so if that takes long."""
    telling = asyncio.get_running_loop().call_later(
        _TELL_SECONDS,
        _log.warning,
        "the gateway begins once the usage that dead processes have left is stored, as budgets depend on it",
    )
    try:
        await books.loaded()
    finally:
        telling.cancel()
