"""HOST:PORT has one meaning, and one spelling."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.address import EVERY_INTERFACE, SocketAddress, parse_address, split_address

IPS = st.ip_addresses().map(str)
EVERY = st.sampled_from([EVERY_INTERFACE, "::"])
PORTS = st.integers(1, 65535)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (":3000", "0.0.0.0:3000"),
        ("localhost:3000", "127.0.0.1:3000"),
        ("LocalHost:03000", "127.0.0.1:3000"),
        ("[::1]:3000", "[::1]:3000"),
        ("[0::0:1]:3000", "[::1]:3000"),
        ("[2001:DB8::A]:65535", "[2001:db8::a]:65535"),
    ],
)
def test_an_address_is_written_one_way(address: str, expected: str) -> None:
    assert str(parse_address(address)) == expected
    assert str(parse_address(expected)) == expected


@pytest.mark.parametrize("address", ["", "127.0.0.1", ":", "a:", ":x", ":-1", ":65536", "1:1.5", ":²"])
def test_what_has_no_port_is_refused(address: str) -> None:
    for parse in (split_address, parse_address):
        with pytest.raises(ValueError, match="expected HOST:PORT"):
            parse(address)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1:0", "the port must be from 1"),
        ("::1:3000", "stands in brackets"),
        ("[::1:3000", "stands in brackets"),
        ("[]:3000", "neither an IP address nor localhost"),
        (
            "example.test:80",
            "neither an IP address nor localhost; expected HOST:PORT, such as 127.0.0.1:3001 or",
        ),
        ("256.0.0.1:80", "neither an IP address nor localhost"),
        ("[127.0.0.1]:80", "neither an IP address nor localhost"),
    ],
)
def test_what_is_no_ip_address_and_port_is_refused(address: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_address(address)


@pytest.mark.parametrize("host", ["", "localhost", "gateway.example", "[::1]"])
def test_a_host_is_split_off_as_it_is_written(host: str) -> None:
    assert split_address(f"{host}:03000") == (host, 3000)
    assert split_address(f"{host}:0") == (host, 0)


@given(IPS, PORTS)
def test_an_address_is_what_it_is_written_as(host: str, port: int) -> None:
    address = SocketAddress(host, port)
    assert parse_address(str(address)) == address


@given(IPS | EVERY, PORTS, IPS | EVERY, PORTS)
def test_addresses_overlap_if_one_is_the_other_or_includes_it(
    host: str, port: int, other: str, other_port: int
) -> None:
    one, two = SocketAddress(host, port), SocketAddress(other, port)
    same_kind = ip_address(host).version == ip_address(other).version
    includes = "::" in {host, other} or (EVERY_INTERFACE in {host, other} and same_kind)
    assert one.overlaps(two) == two.overlaps(one) == (host == other or includes)
    assert not one.covers(one)
    assert one.overlaps(SocketAddress(host, other_port)) == (port == other_port)
