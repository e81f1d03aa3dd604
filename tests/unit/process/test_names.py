"""Look-ups of names: shared, kept, bounded in time, and apart from each other."""

import asyncio
import logging
import socket
import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.shortage import ShortageError
from tollkeeper_server.process import names as under_test
from tollkeeper_server.process.addresses import AddressInfo
from tollkeeper_server.process.names import Names, Result, Times

from tests.unit.clock import Clock

PORT = 443
QUICK = Times(stale_after=0.05, look_up=0.05)
ABSENT = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
DOWN = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


def info(address: str, port: int = 0) -> AddressInfo:
    """Return what `getaddrinfo` says of an address."""
    if ":" in address:
        return (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))


class Dns:
    """What the system's look-up does: it answers, fails, or hangs until the test lets it go on."""

    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {}
        self.problems: dict[str, OSError] = {}
        self.asked: Counter[str] = Counter()
        self.hangs: set[str] = set()
        self._goes_on = threading.Event()

    def look_up(self, host: str, service: str | None, *hints: int) -> list[AddressInfo]:
        assert (service, hints) == (None, (0, socket.SOCK_STREAM, 0, 0))
        self.asked[host] += 1
        if host in self.hangs:
            self._goes_on.wait()
        if host in self.problems:
            raise self.problems[host]
        return [info(address) for address in self.addresses.get(host, ["192.0.2.7"])]

    def go_on(self) -> None:
        self.hangs.clear()
        self._goes_on.set()


@pytest.fixture
def dns() -> Iterator[Dns]:
    dns = Dns()
    dns.addresses = {"a.test": ["192.0.2.1"], "b.test": ["192.0.2.2"]}
    yield dns
    dns.go_on()


async def find(names: Names, host: str, port: int = PORT) -> list[str]:
    """Return the addresses of a name."""
    found = await names.resolve(host, port, type=socket.SOCK_STREAM)
    assert {one[4][1] for one in found} == {port}
    return [str(one[4][0]) for one in found]


async def settled(names: Names) -> None:
    """Wait until no look-up is under way."""
    while names.under_way:  # noqa: ASYNC110 - nobody is told
        await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("127.1", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
    ],
)
async def test_an_ip_address_is_never_looked_up(dns: Dns, host: str, address: str) -> None:
    assert await find(Names(dns.look_up), host) == [address]
    assert not dns.asked


async def test_callers_share_one_look_up_of_a_name(dns: Dns) -> None:
    names = Names(dns.look_up)
    found = await asyncio.gather(
        *(find(names, host, 1 + n) for n in range(200) for host in ("a.test", "A.TEST"))
    )
    assert found == [["192.0.2.1"]] * 400
    assert dns.asked == {"a.test": 1}


async def test_a_caller_who_leaves_takes_the_answer_from_nobody(dns: Dns) -> None:
    dns.hangs = {"a.test"}
    names = Names(dns.look_up)
    first, second = (asyncio.create_task(find(names, "a.test")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    dns.go_on()
    assert await second == ["192.0.2.1"]
    assert dns.asked == {"a.test": 1}


async def test_names_that_hang_hold_no_other_up(dns: Dns) -> None:
    hanging = [f"hangs-{number}.test" for number in range(100)]
    dns.hangs = set(hanging)
    names = Names(dns.look_up)
    waiting = [asyncio.create_task(find(names, host)) for host in hanging]
    await asyncio.sleep(0)
    assert await find(names, "a.test") == ["192.0.2.1"]
    assert not any(task.done() for task in waiting)
    for task in waiting:
        task.cancel()


async def test_a_name_that_hangs_is_given_up_and_has_one_thread(dns: Dns) -> None:
    dns.hangs = {"a.test"}
    names = Names(dns.look_up, times=QUICK)
    for _ in range(3):
        with pytest.raises(socket.gaierror, match=r"no answer within 0\.05 seconds"):
            await find(names, "a.test")
    assert dns.asked == {"a.test": 1}
    assert names.under_way == 1
    dns.go_on()
    await settled(names)
    # The answer that came late is an answer.
    assert await find(names, "a.test") == ["192.0.2.1"]
    assert dns.asked == {"a.test": 1}


async def test_too_many_names_at_once_are_refused_with_the_reason(dns: Dns) -> None:
    dns.hangs = {"x.test", "y.test"}
    names = Names(dns.look_up, most_at_once=2)
    waiting = [asyncio.create_task(find(names, host)) for host in dns.hangs]
    await asyncio.sleep(0)
    with pytest.raises(ShortageError, match="look-ups of names"):
        await find(names, "a.test")
    dns.go_on()
    await asyncio.gather(*waiting)
    assert await find(names, "a.test") == ["192.0.2.1"]


async def test_an_answer_is_kept_then_renewed_for_the_next_to_ask(dns: Dns) -> None:
    clock = Clock()
    names = Names(dns.look_up, clock=clock)
    await find(names, "a.test")
    dns.addresses["a.test"] = ["192.0.2.9"]
    clock.now = 9.9
    assert await find(names, "a.test") == ["192.0.2.1"]
    assert dns.asked == {"a.test": 1}
    clock.now = 10.1
    assert await find(names, "a.test") == ["192.0.2.1"]
    await settled(names)
    assert await find(names, "a.test") == ["192.0.2.9"]
    assert dns.asked == {"a.test": 2}


async def test_an_answer_of_long_ago_is_not_used_while_there_is_a_new_one(dns: Dns) -> None:
    clock = Clock()
    names = Names(dns.look_up, clock=clock)
    await find(names, "a.test")
    dns.addresses["a.test"] = ["192.0.2.9"]
    clock.now = 30.1
    assert await find(names, "a.test") == ["192.0.2.9"]


async def test_the_last_good_answer_serves_while_look_ups_fail(
    dns: Dns, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    names = Names(dns.look_up, clock=clock)
    await find(names, "a.test")
    dns.problems["a.test"] = DOWN
    for clock.now in (11.0, 35.0, 3_600.0, 86_000.0):
        assert await find(names, "a.test") == ["192.0.2.1"]
        await settled(names)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "192.0.2.1" in caplog.text
    assert names.counts == {Result.SUCCESS: 1, Result.FAILURE: 4, Result.STALE: 3}
    clock.now = 86_401.0
    with pytest.raises(socket.gaierror, match="Temporary failure"):
        await find(names, "a.test")
    dns.problems.clear()
    clock.now += 1.1
    assert await find(names, "a.test") == ["192.0.2.1"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_the_last_good_answer_serves_while_look_ups_hang(dns: Dns) -> None:
    clock = Clock()
    names = Names(dns.look_up, clock=clock, times=Times(stale_after=0.05))
    await find(names, "a.test")
    dns.hangs = {"a.test"}
    for clock.now in (31.0, 60.0, 3_600.0):
        assert await find(names, "a.test") == ["192.0.2.1"]
    assert dns.asked == {"a.test": 2}
    dns.addresses["a.test"] = ["192.0.2.9"]
    dns.go_on()
    await settled(names)
    assert await find(names, "a.test") == ["192.0.2.9"]


async def test_that_a_name_is_gone_is_an_answer(dns: Dns) -> None:
    clock = Clock()
    names = Names(dns.look_up, clock=clock)
    await find(names, "a.test")
    dns.problems["a.test"] = ABSENT
    clock.now = 31.0
    with pytest.raises(socket.gaierror, match="not known"):
        await find(names, "a.test")


@pytest.mark.parametrize("problem", [ABSENT, DOWN])
async def test_a_failure_is_an_answer_for_a_second(dns: Dns, problem: OSError) -> None:
    clock = Clock()
    names = Names(dns.look_up, clock=clock)
    dns.problems["a.test"] = problem
    for _ in range(3):
        with pytest.raises(socket.gaierror) as refused:
            await find(names, "a.test")
        assert refused.value is not problem
    assert dns.asked == {"a.test": 1}
    dns.problems.clear()
    clock.now = 1.1
    assert await find(names, "a.test") == ["192.0.2.1"]


async def test_connections_spread_over_the_addresses_of_an_answer_that_is_kept(dns: Dns) -> None:
    dns.addresses["a.test"] = ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"]
    names = Names(dns.look_up)
    found = [await find(names, "a.test") for _ in range(100)]
    assert Counter(addresses[0] for addresses in found) == {"2001:db8::1": 50, "2001:db8::2": 50}
    assert Counter(addresses[1] for addresses in found) == {"192.0.2.1": 50, "192.0.2.2": 50}


@given(st.lists(st.ip_addresses().map(str), min_size=1, max_size=8, unique=True), st.integers(1, 5))
async def test_every_address_is_given_out_with_the_families_where_they_were(
    addresses: list[str], turns: int
) -> None:
    dns = Dns()
    dns.addresses["a.test"] = addresses
    names = Names(dns.look_up)
    for _ in range(turns):
        found = await find(names, "a.test")
        assert sorted(found) == sorted(addresses)
        assert [":" in one for one in found] == [":" in one for one in addresses]


async def test_what_is_no_name_at_all_is_refused_at_once(dns: Dns) -> None:
    names = Names(dns.look_up)
    for host in ("a" * 64 + ".test", "a..test"):
        with pytest.raises(ValueError, match="label"):
            await find(names, host)
    assert not dns.asked


async def test_a_look_up_that_fails_as_none_should_ends_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def look_up(*_: object) -> list[AddressInfo]:
        raise ZeroDivisionError

    with pytest.raises(socket.gaierror, match="something went wrong here"):
        await find(Names(look_up), "a.test")
    assert "a.test" in caplog.text


async def test_names_nobody_asks_for_are_forgotten(dns: Dns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "MOST_NAMES", 10)
    names = Names(dns.look_up)
    for number in range(30):
        host = f"host-{number}.test"
        await find(names, host)
        await find(names, "a.test")
    assert dns.asked["a.test"] == 1
    await find(names, "host-0.test")
    assert dns.asked["host-0.test"] == 2
