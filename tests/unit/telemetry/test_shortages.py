"""Shortages are counted each, and logged once a minute."""

import logging

import pytest
from tollkeeper_server.domain.shortage import Shortage
from tollkeeper_server.telemetry.shortages import Shortages

from tests.unit.clock import Clock


def test_each_case_is_counted_and_each_kind_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    shortages = Shortages(clock)
    for clock.now in (0.0, 30.0, 59.9):
        for _ in range(1000):
            shortages.note(Shortage.DESCRIPTORS, "something")
    assert len(caplog.records) == 1
    assert "something: this machine has no file descriptors" in caplog.text
    shortages.note(Shortage.PORTS, "something")
    clock.now = 60.0
    shortages.note(Shortage.DESCRIPTORS, "something")
    assert len(caplog.records) == 3
    assert shortages.counts[Shortage.DESCRIPTORS] == 3001
    assert shortages.counts[Shortage.PORTS] == 1
