"""Refusals are counted, and a flood of them is one line a minute for each reason."""

import pytest
from tollkeeper_server.doors.refusals import Refusal, Refusals


def test_a_flood_is_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 5.0
    refusals = Refusals(lambda: now)
    for _ in range(1000):
        refusals.count(Refusal.RESETS, "192.0.2.1")
    refusals.count(Refusal.UNREAD, None)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "192.0.2.1" in caplog.messages[0]
    now += 61
    refusals.count(Refusal.RESETS, "192.0.2.1")
    assert len(caplog.records) == 3
    assert refusals.counts[Refusal.RESETS] == 1001


@pytest.mark.parametrize("refusal", Refusal)
def test_every_reason_is_said_in_words(refusal: Refusal, caplog: pytest.LogCaptureFixture) -> None:
    Refusals().count(refusal, "192.0.2.1")
    assert len(caplog.records) == 1
