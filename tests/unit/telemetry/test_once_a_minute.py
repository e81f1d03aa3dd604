"""What happens often is logged once a minute, each thing for itself."""

from tollkeeper_server.telemetry.once_a_minute import OnceAMinute


def test_each_thing_is_due_at_first_and_a_minute_later() -> None:
    now = [0.0]
    telling = OnceAMinute(lambda: now[0])

    assert [telling.is_due("one") for _ in range(3)] == [True, False, False]
    assert telling.is_due("other")
    now[0] = 59.9
    assert not telling.is_due("one")
    now[0] = 60.0
    assert [telling.is_due("one"), telling.is_due("one")] == [True, False]
    assert telling.is_due()
