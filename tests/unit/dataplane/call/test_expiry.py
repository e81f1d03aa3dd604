"""Operators are warned in time, once a day, of client certificates that end."""

from datetime import UTC, datetime, timedelta

import pytest
from tollkeeper_server.dataplane.call.expiry import ExpiryWatch
from tollkeeper_server.snapshot.model import Snapshot

from tests.unit.dataplane.configured import snapshot_of, target

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def _snapshot(end: datetime | None) -> Snapshot:
    return snapshot_of(target("up", client_certificate_expires_at=end))


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (NOON + 13 * DAY, "expires on 2026-03-17 12:00 UTC"),
        (NOON + 15 * DAY, ""),
        (NOON - DAY, "has expired, on 2026-03-03 12:00 UTC"),
        (None, ""),
    ],
)
async def test_what_ends_soon_is_told(
    caplog: pytest.LogCaptureFixture, end: datetime | None, told: str
) -> None:
    watch = ExpiryWatch(lambda: NOON)
    watch.follow(_snapshot(end))
    watch.close()

    assert len(caplog.records) == bool(told)
    assert told in caplog.text


async def test_it_is_told_once_a_day_until_there_is_a_new_one(caplog: pytest.LogCaptureFixture) -> None:
    now = NOON
    watch = ExpiryWatch(lambda: now)
    for hour in range(49):
        now = NOON + timedelta(hours=hour)
        watch.follow(_snapshot(NOON + 5 * DAY))
        watch.look()
    assert len(caplog.records) == 3

    watch.follow(_snapshot(NOON + 400 * DAY))
    now += DAY
    watch.look()
    watch.close()
    assert len(caplog.records) == 3


async def test_the_end_itself_is_told_when_it_comes(caplog: pytest.LogCaptureFixture) -> None:
    now = NOON
    watch = ExpiryWatch(lambda: now)
    for hour in range(4):
        now = NOON + timedelta(hours=hour)
        watch.follow(_snapshot(NOON + timedelta(hours=2)))
    watch.close()
    assert [record.getMessage().count("has expired") for record in caplog.records] == [0, 1]
