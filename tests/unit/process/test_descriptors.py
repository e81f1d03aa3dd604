"""The limit on descriptors is raised as far as it may be."""

import logging
import resource
import subprocess
import sys

import pytest
from tollkeeper_server.process.descriptors import Share, Shares, shares
from tollkeeper_server.settings import Settings

_LOWERED = """
import logging, resource, sys
from tollkeeper_server.process.descriptors import raise_limit
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (100, int(sys.argv[1]) or hard))
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
raise_limit()
print(*resource.getrlimit(resource.RLIMIT_NOFILE), min(hard, 1 << 20))
"""


@pytest.mark.parametrize("hard", [100, 500, 0])
def test_the_soft_limit_becomes_the_hard_one_and_is_logged(hard: int) -> None:
    process = subprocess.run(
        [sys.executable, "-c", _LOWERED, str(hard)], capture_output=True, text=True, check=True, timeout=60
    )
    said, limits = process.stdout.splitlines()
    soft, _, most = map(int, limits.split())
    assert soft == (hard or most)
    assert said == f"up to {soft:,} files and connections can be open"


def _limited(monkeypatch: pytest.MonkeyPatch, limit: int, **settings: int) -> Shares:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    return shares(Settings(**settings))  # type: ignore[arg-type]


def test_enough_descriptors_leave_the_settings_as_they_are(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for limit in (1 << 20, resource.RLIM_INFINITY):
        found = _limited(monkeypatch, limit, max_connections=9_000, max_connections_per_address=700)
        assert found == Shares(Share(9_000, 700), Share(9_000, 700), Share(500, 250))
    assert not caplog.records


def test_few_descriptors_lower_the_limits_and_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = _limited(monkeypatch, 1024, max_connections=10_000, max_connections_per_address=2_000)
    # No address has more than half of what there is.
    assert found == Shares(Share(896, 448), Share(256, 128), Share(32, 16))
    (record,) = caplog.records
    assert record.getMessage() == (
        "1,024 descriptors (ulimit -n) allow 896 callers to the data plane, 256 to the console, 32 to gRPC"
    )


def test_all_connections_may_come_from_one_address_if_the_settings_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = _limited(monkeypatch, 1024, max_connections=10_000, max_connections_per_address=10_000)
    assert (found.data, found.grpc) == (Share(896, 896), Share(32, 32))


@pytest.mark.parametrize("limit", [1, 20, 64])
def test_there_is_room_for_one_at_least(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    found = _limited(monkeypatch, limit)
    assert min(found.data.per_address, found.console.per_address, found.grpc.per_address) >= 1
