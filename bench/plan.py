"""The plan of a run: the scenarios to measure, and for how long."""

from dataclasses import dataclass
from enum import StrEnum


class Scenario(StrEnum):
    """One kind of load."""

    OPEN_STREAMS = "1,000 open streams, first thing"
    CHAT_1 = "chat, 1 connection"
    CHAT_32 = "chat, 32 connections"
    CHAT_256 = "chat, 256 connections"
    LIMITS = "chat under 3 limits, 32 connections"
    WORKERS = "chat with workers, 32 connections"
    STREAMS_200 = "200 streams at a time"
    STREAMS_400 = "400 streams at a time"
    STREAMS_800 = "800 streams at a time"
    HALF_LOAD = "streams at half load"
    BODY_1 = "bodies of 1 KB"
    BODY_100 = "bodies of 100 KB"
    BODY_1000 = "bodies of 1,000 KB"
    SMALL_STREAMS = "50 streams"
    SMALL_STREAMS_BESIDE = "50 streams beside 1 MB bodies"
    ERRORS = "50 % errors"
    HTTP1_CONSOLE = "console, HTTP/1.1"
    HTTP2_CONSOLE = "console, HTTP/2"
    RULES = "1,000 routing rules"
    OPEN_STREAMS_AFTER = "1,000 open streams, last thing"
    SOAK_BEGIN = "many requests, before"
    SOAK_100K = "many requests, after 100,000"
    SOAK_END = "many requests, after all"


CHAT = {Scenario.CHAT_1: 1, Scenario.CHAT_32: 32, Scenario.CHAT_256: 256}
"""Numbers of connections."""

STREAMS = {Scenario.STREAMS_200: 200, Scenario.STREAMS_400: 400, Scenario.STREAMS_800: 800}
"""Numbers of streams at a time."""

BODIES = {Scenario.BODY_1: 1_000, Scenario.BODY_100: 100_000, Scenario.BODY_1000: 1_000_000}
"""Sizes in bytes."""

CONSOLE = (Scenario.HTTP1_CONSOLE, Scenario.HTTP2_CONSOLE)
SOAK = (Scenario.SOAK_BEGIN, Scenario.SOAK_100K, Scenario.SOAK_END)
RULES = 1_000
SMALL_REQUEST = 200
"""Bytes of a chat request, unless the scenario sets the size."""

BASELINE = 100_000
"""The number of requests after which memory must not grow."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A run: the number of rounds, the seconds of each measurement, and the loads.

    `soak` is the number of requests over which memory is measured.
    """

    rounds: int
    seconds: float
    scenarios: frozenset[Scenario]
    soak: int
    warm_up: bool


FULL = Plan(rounds=3, seconds=2, scenarios=frozenset(Scenario), soak=BASELINE, warm_up=True)
SHORT = Plan(
    rounds=1,
    seconds=1,
    scenarios=frozenset(
        {
            Scenario.CHAT_32,
            Scenario.LIMITS,
            Scenario.WORKERS,
            Scenario.STREAMS_200,
            Scenario.BODY_1000,
            Scenario.SMALL_STREAMS_BESIDE,
            Scenario.ERRORS,
            Scenario.HTTP2_CONSOLE,
            Scenario.RULES,
        }
    ),
    soak=0,
    warm_up=False,
)
"""A plan that tests the bench itself; its figures mean nothing."""
