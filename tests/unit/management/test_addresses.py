"""An address has one spelling, and two that can't both be listened on are told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.addresses import overlap, parse_address


@pytest.mark.parametrize(
    ("given_address", "address"),
    [
        ("127.0.0.1:3001", "127.0.0.1:3001"),
        ("0.0.0.0:00080", "0.0.0.0:80"),
        ("[::1]:3001", "[::1]:3001"),
        ("[0:0:0:0:0:0:0:1]:3001", "[::1]:3001"),
        ("[2001:DB8::A]:65535", "[2001:db8::a]:65535"),
        ("LocalHost:1", "127.0.0.1:1"),
        (":3001", "0.0.0.0:3001"),
    ],
)
def test_an_address_has_one_spelling(given_address: str, address: str) -> None:
    assert parse_address(given_address) == address
    assert parse_address(address) == address


@pytest.mark.parametrize(
    "address",
    [
        ":0",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:99999",
        "127.0.0:3001",
        "127.0.0.256:3001",
        "1.2.3.4.5:3001",
        "example.com:3001",
        "localhost.:3001",
        "::1:3001",
        "[::1:3001",
        "::1]:3001",
        "[]:3001",
        "[127.0.0.1]:3001",
        "[::g]:3001",
        "127.1:3001",
        "010.0.0.1:3001",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(TollkeeperError, match=r"^address: ") as caught:
        parse_address(address)
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, "address")


@given(st.from_regex(r"^[0-9A-Za-z.:\[\]_-]{0,255}:[0-9]{1,5}$", fullmatch=True))
def test_an_address_is_refused_or_stays_as_it_became(address: str) -> None:
    try:
        parsed = parse_address(address)
    except TollkeeperError:
        return
    assert parse_address(parsed) == parsed


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("127.0.0.1:1", "127.0.0.1:1", True),
        ("127.0.0.1:1", "127.0.0.1:2", False),
        ("127.0.0.1:1", "127.0.0.2:1", False),
        ("0.0.0.0:1", "127.0.0.1:1", True),
        ("0.0.0.0:1", "127.0.0.1:2", False),
        ("0.0.0.0:1", "[::1]:1", False),
        ("0.0.0.0:1", "[::]:1", True),
        ("[::]:1", "127.0.0.1:1", True),
        ("[::]:1", "[::1]:1", True),
    ],
)
def test_every_host_includes_each(one: str, other: str, expected: bool) -> None:
    assert overlap(one, other) is expected
    assert overlap(other, one) is expected
