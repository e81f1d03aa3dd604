"""How many attempts to sign in may fail."""

import pytest
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.sign_in_attempts import (
    ALL_SECONDS,
    IN_ALL,
    NETWORK_SECONDS,
    PER_NETWORK,
    ROOM,
    SignInAttempts,
)

from tests.unit.clock import Clock


def refusal(attempts: SignInAttempts, address: str) -> int | None:
    """Return the seconds for which an address is refused, None if it is not."""
    try:
        attempts.check(address)
    except TollkeeperError as error:
        return error.retry_after if error.reason is Reason.RATE_LIMIT_EXCEEDED else -1
    return None


def fail(attempts: SignInAttempts, address: str, times: int) -> None:
    """Fail so many times."""
    for _ in range(times):
        attempts.check(address)
        attempts.failed(address)


def test_a_network_may_fail_some_times_and_once_more_after_a_while() -> None:
    clock = Clock(1000.0)
    attempts = SignInAttempts(clock)
    fail(attempts, "192.0.2.1", PER_NETWORK)
    assert refusal(attempts, "192.0.2.1") == NETWORK_SECONDS
    assert refusal(attempts, "192.0.2.2") is None
    clock.now += NETWORK_SECONDS
    fail(attempts, "192.0.2.1", 1)
    assert refusal(attempts, "192.0.2.1") == NETWORK_SECONDS
    clock.now += PER_NETWORK * NETWORK_SECONDS
    fail(attempts, "192.0.2.1", PER_NETWORK)
    assert refusal(attempts, "192.0.2.1") is not None


@pytest.mark.parametrize(
    ("one", "other"), [("2001:db8::1", "2001:db8::2:3:4"), ("::ffff:192.0.2.1", "192.0.2.1")]
)
def test_addresses_of_one_network_count_together(one: str, other: str) -> None:
    attempts = SignInAttempts(Clock())
    fail(attempts, one, PER_NETWORK)
    assert refusal(attempts, other) is not None


def test_all_networks_together_have_a_limit() -> None:
    clock = Clock()
    attempts = SignInAttempts(clock)
    for number in range(IN_ALL):
        fail(attempts, f"10.0.{number // 256}.{number % 256}", 1)
    assert refusal(attempts, "192.0.2.1") == 1
    clock.now += ALL_SECONDS
    assert refusal(attempts, "192.0.2.1") is None


def test_a_flood_of_addresses_takes_bounded_memory_and_makes_none_be_forgotten() -> None:
    clock = Clock()
    attempts = SignInAttempts(clock)
    for _ in range(PER_NETWORK):
        attempts.failed("192.0.2.1")
    for number in range(2 * ROOM):
        attempts.failed(f"10.0.{number // 256}.{number % 256}")
    assert len(attempts._until) == ROOM
    assert attempts._until["192.0.2.1"] - clock.now == PER_NETWORK * NETWORK_SECONDS
    assert refusal(attempts, "198.51.100.7") is not None  # counted with those that had no room
