"""What is swept from Redis changes no answer of the table, and no more than that stays."""

from collections.abc import AsyncIterator, Sequence
from functools import partial

import pytest
import redis
from tollkeeper_server.coordination.redis.link import RedisLink
from tollkeeper_server.coordination.redis.script import connect_script
from tollkeeper_server.coordination.redis.sweeping import KeySweeping
from tollkeeper_server.domain.limit import Limit, Measure, Scope, ScopeKind
from tollkeeper_server.domain.period import Period
from tollkeeper_server.ledger.meter import Meter, meter_of
from tollkeeper_server.ledger.reservation import Pending, Refused
from tollkeeper_server.ledger.shared.ledger import SharedLedger
from tollkeeper_server.ledger.shared.messages import TICK
from tollkeeper_server.ledger.shared.script import CLOCK, PREFIX, SCRIPT, by_script
from tollkeeper_server.ledger.shared.sweep import EPOCH_KEY, SWEEP

DAY = 86_400_000_000
LATER = f"{CLOCK} now = now + "
TOKEN = Scope(ScopeKind.TOKEN, "tok_1")
TOTAL = meter_of(TOKEN, Limit(measure=Measure.REQUESTS, amount=1000, period=Period.TOTAL))
MONTH = meter_of(TOKEN, Limit(measure=Measure.TOKENS, amount=1000, period=Period.MONTH))
SLOTS = meter_of(TOKEN, Limit(measure=Measure.CONCURRENT, amount=1000))
RATE = meter_of(TOKEN, Limit(measure=Measure.REQUEST_RATE, amount=1000))
METERS = (TOTAL, MONTH, SLOTS, RATE)


async def nothing_before(key: str, period: int, members: Sequence[str]) -> int:
    return 0


class Place:
    """A Redis with a clock that the test moves, and what is kept there."""

    def __init__(self, url: str) -> None:
        self.link = RedisLink(url)
        self.redis = redis.Redis.from_url(url)
        self.ahead = 0

    async def open(self, name: str) -> SharedLedger:
        """Return a ledger, whose table goes by the clock."""
        script = SCRIPT.replace(CLOCK, f"{LATER}{self.ahead}")
        connect = by_script(partial(connect_script, self.link, script))
        ledger = SharedLedger(name, connect, nothing_before, expected=1)
        await ledger.open(10)
        assert ledger.answers
        return ledger

    def sweeping(self) -> KeySweeping:
        """Return what removes keys."""
        script = SWEEP.replace(CLOCK, f"{LATER}{self.ahead}")
        return KeySweeping(self.link, script, PREFIX, EPOCH_KEY, batch=2)

    async def sweep(self) -> int:
        """Return how many keys are removed."""
        return await self.sweeping().sweep()

    def put_back(self) -> None:
        """Have it look as if this were another run of the server, which has read a file."""
        epoch, run = self.redis.get(EPOCH_KEY), self.redis.info("server")["run_id"].encode()
        assert isinstance(epoch, bytes)
        assert run in epoch
        self.redis.set(EPOCH_KEY, epoch.replace(run, b"0" * len(run)))

    def kept(self) -> set[str]:
        """Return the meters and members that are kept."""
        keys = self.redis.scan_iter(f"{PREFIX}*")
        return {key.decode().removeprefix(PREFIX) for key in keys if isinstance(key, bytes)} - {"epoch"}


@pytest.fixture
async def place(redis_url: str) -> AsyncIterator[Place]:
    made = Place(redis_url)
    yield made
    made.redis.close()
    await made.link.close()


async def use(ledger: SharedLedger, name: str, meters: Sequence[Meter] = METERS) -> None:
    """Use five of each meter, and no slot any more."""
    made = ledger.reserve(name, meters, (5,) * len(meters), 0)
    assert not isinstance(made, (Pending, Refused))
    assert isinstance(await made, Pending)
    ledger.settle(name, (5,) * len(meters))
    await ledger.told()


def key(meter: Meter) -> str:
    """Return the key of a meter, without the prefix."""
    return str(meter.wire_key)


async def test_what_is_in_use_stays(place: Place) -> None:
    ledger = await place.open("one")
    await use(ledger, "first")
    before = place.kept()
    assert before == {"q:one", *map(key, METERS)}
    assert await place.sweep() == 0
    assert place.kept() == before
    await ledger.close()


async def test_what_counts_no_more_goes(place: Place) -> None:
    """The epoch goes on: its members, and what is spent of total budgets, stay."""
    ledger = await place.open("one")
    await use(ledger, "first")
    await ledger.close()
    for days, gone in ((2, [RATE]), (70, [MONTH])):
        place.ahead = days * DAY
        assert await place.sweep() == len(gone)
        assert not place.kept() & set(map(key, gone))
    assert place.kept() == {"q:one", key(TOTAL), key(SLOTS)}
    place.ahead += TICK
    two = await place.open("two")
    await use(two, "second", (TOTAL,))
    for _ in range(3):  # minutes are counted as they are seen
        await two.close()
        place.ahead += TICK
        two = await place.open(f"two-{place.ahead}")
        await use(two, f"at {place.ahead}", (TOTAL,))
    assert await place.sweep() == 1
    assert key(SLOTS) not in place.kept()
    (standing,) = await two.look((TOTAL,), 0)
    assert standing is not None
    assert standing.spent == 5 * 5
    await two.close()


async def test_past_epochs_go(place: Place) -> None:
    one = await place.open("one")
    await use(one, "first")
    await one.close()
    place.put_back()
    two = await place.open("two")
    await use(two, "second", (TOTAL,))
    assert await place.sweep() == 4
    assert place.kept() == {"q:two", key(TOTAL)}
    await two.close()


async def test_one_of_all_processes_sweeps_in_half_an_hour(place: Place) -> None:
    for name, kept in (("one", {"q:two", key(TOTAL)}), ("two", {"q:three", key(TOTAL), "q:two"})):
        ledger = await place.open(name)
        await use(ledger, name, (TOTAL,))
        await ledger.close()
        place.put_back()
        later = await place.open("two" if name == "one" else "three")
        await use(later, "later", (TOTAL,))
        await later.close()
        await place.sweeping().sweep_in_turn()
        assert place.kept() == kept
