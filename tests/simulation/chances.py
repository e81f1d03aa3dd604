"""What may go wrong in worlds, and how often."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Chances:
    """What may happen in a world, and how often in a second, each."""

    processes: int = 3
    seconds: int = 4
    breaks: float = 0.0
    kills: float = 0.0
    ends: float = 0.0
    pauses: float = 0.0
    flushes: float = 0.0
    restarts: float = 0.0
    old_states: float = 0.0
    stops: float = 0.0
    outages: float = 0.0
    leaps: float = 0.0
    steps: float = 0.0
    store_away: float = 0.0


KINDS = {
    "calm": Chances(),
    "leaps": Chances(leaps=0.2),
    "breaks": Chances(breaks=2.0, stops=0.1),
    "flushes": Chances(flushes=0.3, breaks=0.2),
    "restarts": Chances(restarts=0.1, old_states=0.2),
    "outages": Chances(outages=0.4, stops=0.2, breaks=0.2),
    "pauses": Chances(pauses=0.5, flushes=0.2),
    "steps": Chances(steps=0.5, breaks=0.5),
    "lost words": Chances(
        outages=0.5, kills=0.4, ends=0.4, breaks=0.2, pauses=0.1, store_away=0.2, seconds=6
    ),
    "kills": Chances(kills=0.3, breaks=0.3, leaps=0.1),
    "all": Chances(
        processes=4,
        breaks=0.5,
        kills=0.2,
        pauses=0.2,
        flushes=0.1,
        restarts=0.05,
        outages=0.1,
        old_states=0.1,
        stops=0.1,
        leaps=0.1,
        store_away=0.2,
    ),
}
"""The worlds by name; a seed chooses among them by its remainder."""
