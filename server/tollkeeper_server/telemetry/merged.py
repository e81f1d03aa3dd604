"""The gauges of several processes as those of one gateway."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TypeVar

from tollkeeper_server.telemetry.metrics import Gauges

Key = TypeVar("Key")
_WORST_LAST = ("closed", "half_open", "open")


def merged(own: Gauges, others: Sequence[Gauges], ended: Sequence[Gauges] = ()) -> Gauges:
    """Return the gauges of a process and others together.

    Of those that have ended, what only grows counts.
    """
    alive = (own, *others)

    def total(part: Callable[[Gauges], int]) -> int:
        return sum(map(part, alive))

    shared = [it.ledger_is_shared for it in alive if it.ledger_is_shared is not None]
    return replace(
        own,
        snapshot_revision=min(it.snapshot_revision for it in alive),
        snapshot_age=max(it.snapshot_age for it in alive),
        journal_waiting=total(lambda it: it.journal_waiting),
        journal_skipped=total(lambda it: it.journal_skipped),
        drain_lag=max(it.drain_lag for it in alive),
        ledger_is_shared=all(shared) if shared else None,
        breakers=_worst([it.breakers for it in alive]),
        calls=_summed([it.calls for it in alive]),
        connections=_summed([it.connections for it in alive]),
        look_ups=_summed([it.look_ups for it in (*alive, *ended)]),
        refused=_summed([it.refused for it in (*alive, *ended)]),
        shortages=_summed([it.shortages for it in (*alive, *ended)]),
    )


def _summed(every: Sequence[Mapping[Key, int]]) -> dict[Key, int]:
    sums = Counter[Key]()
    for counts in every:
        sums.update(counts)
    return dict(sums)


def _worst(every: Sequence[Mapping[str, str]]) -> dict[str, str]:
    names = dict.fromkeys(chain.from_iterable(every))
    return {name: max((it[name] for it in every if name in it), key=_WORST_LAST.index) for name in names}
