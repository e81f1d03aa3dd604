"""The ledger is looked after: what goes on is renewed, what was forgotten is charged."""

import asyncio

from tollkeeper_server.domain.limit import Measure
from tollkeeper_server.ledger.local import LIFETIME
from tollkeeper_server.process.upkeep import Upkeep

from tests.unit.dataplane.budget.limited import answered, budget, chat, configured, used
from tests.unit.dataplane.gateway import Bench

MINUTE = 60_000_000


async def test_a_request_that_takes_hours_is_settled_at_what_it_used() -> None:
    bench = Bench(configured(budget(Measure.TOKENS, 10_000)))
    upkeep = Upkeep(bench.ledger, lambda: bench.ledger_now, bench.reservations)
    going = asyncio.Event()
    answer = bench.answers(answered(), going)
    calling = asyncio.create_task(chat(max_tokens=100).call(bench.plane))
    await answer.reached.wait()

    for _ in range(180):
        bench.ledger_now += MINUTE
        upkeep.look()
    assert bench.ledger.pending == 1
    going.set()
    await calling

    assert used(bench) == {"tokens:total:project:prj_1": 12}
    bench.ledger_now += LIFETIME
    upkeep.look()
    assert bench.ledger.expire(bench.ledger_now) == []


async def test_what_nobody_settles_is_charged_after_an_hour() -> None:
    made = configured(budget(Measure.TOKENS, 10_000))
    bench = Bench(made)
    upkeep = Upkeep(bench.ledger, lambda: bench.ledger_now, bench.reservations)
    bench.ledger.reserve("lost", made.projects["prj_1"].meters, [70], bench.ledger_now)

    bench.ledger_now += LIFETIME - MINUTE
    upkeep.look()
    assert bench.ledger.pending == 1
    bench.ledger_now += MINUTE
    upkeep.look()

    assert used(bench) == {"tokens:total:project:prj_1": 70}


async def test_it_looks_every_minute_until_it_is_closed() -> None:
    bench = Bench(configured())
    upkeep = Upkeep(bench.ledger, lambda: bench.ledger_now, bench.reservations)
    upkeep.start()
    upkeep.close()
    upkeep.close()
