"""Operators learn each reason once, and of every change of a breaker, and nobody floods the log."""

import logging
from datetime import UTC, datetime

import pytest
from tollkeeper_server.dataplane.call.health import Health
from tollkeeper_server.dataplane.call.notices import LINES, Notices
from tollkeeper_server.domain.connect_failure import ConnectProblem, ConnectReason
from tollkeeper_server.domain.upstream import Breaker
from tollkeeper_server.telemetry.metrics import Metrics

from tests.unit.dataplane.configured import target

R = ConnectReason
UP = target("up", breaker=Breaker(min_calls=1, threshold=1.0, cooldown_seconds=30.0))


class Observed:
    """Health that is observed, at a time that the test sets."""

    def __init__(self) -> None:
        self.time = 0.0
        self.metrics = Metrics()
        notices = Notices(self.metrics, lambda: self.time)
        self.health = Health(
            lambda: self.time,
            notices.breaker_changed,
            notices.connecting,
            now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        )

    def fails(self, reason: ConnectReason, *, at_proxy: bool = False) -> None:
        problem = ConnectProblem(reason=reason, at_proxy=at_proxy, detail="the detail")
        self.health.unreached(UP, problem)


@pytest.fixture(autouse=True)
def _every_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tollkeeper.dataplane")


def test_a_reason_is_told_once_until_it_changes(caplog: pytest.LogCaptureFixture) -> None:
    observed = Observed()
    for reason, at_proxy in [(R.REFUSED, False)] * 50 + [(R.REFUSED, True)] * 50 + [(R.NO_TLS, True)] * 50:
        observed.fails(reason, at_proxy=at_proxy)

    assert [line.getMessage() for line in caplog.records] == [
        "no connection to the upstream up (refused): the detail",
        "no connection to the upstream up, at its outbound proxy (refused): the detail",
        "no connection to the upstream up, at its outbound proxy (no_tls): the detail",
    ]
    counted = {labels: it.value for labels, it in observed.metrics.connect_failures.items()}
    assert counted == {
        ("up", "upstream", "refused"): 50,
        ("up", "proxy", "refused"): 50,
        ("up", "proxy", "no_tls"): 50,
    }


def test_a_reason_is_told_again_after_a_success(caplog: pytest.LogCaptureFixture) -> None:
    observed = Observed()
    observed.fails(R.REFUSED)
    observed.health.answered(UP)
    observed.health.answered(UP)
    observed.fails(R.REFUSED)

    assert [line.levelname for line in caplog.records] == ["WARNING", "INFO", "WARNING"]


def test_an_upstream_that_comes_and_goes_does_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    observed = Observed()
    for _ in range(1000):
        observed.fails(R.REFUSED)
        observed.health.answered(UP)
    assert len(caplog.records) == LINES

    observed.time += 60.0
    observed.fails(R.REFUSED)
    assert [line.getMessage() for line in caplog.records[LINES:]] == [
        f"{2000 - LINES} more lines about the upstream up were left out",
        "no connection to the upstream up (refused): the detail",
    ]


def test_every_change_of_a_breaker_is_told(caplog: pytest.LogCaptureFixture) -> None:
    observed = Observed()
    observed.health.begin(UP).failed(0.1)
    observed.time += 30.0
    observed.health.begin(UP).succeeded(0.1)

    assert [line.getMessage().partition("up is ")[2].partition(":")[0] for line in caplog.records] == [
        "open",
        "half open",
        "closed",
    ]
    assert observed.metrics.breaker_changes["up", "closed", "open"].value == 1
