"""What an attack costs: the memory of a gateway's process, and how long another caller waits meanwhile."""

import json
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.process import Gateway, clean_environment

_ASKING = Path(__file__).with_name("asking_process.py")


@dataclass(frozen=True)
class Waits:
    """How long calls of another caller took in seconds, before and meanwhile."""

    calm: Sequence[float]
    during: Sequence[float]

    @property
    def usual(self) -> float:
        """The median of calm calls."""
        return statistics.median(self.calm)

    @property
    def p50(self) -> float:
        """The median meanwhile."""
        return statistics.median(self.during)

    @property
    def p99(self) -> float:
        """What all but one in a hundred calls took at most."""
        return sorted(self.during)[(len(self.during) * 99 - 1) // 100]

    @property
    def longest(self) -> float:
        """What every call took at most."""
        return max(self.during)


@dataclass
class Cost:
    """What a block has cost; the values are there once it is over."""

    before: int = 0
    """The bytes of memory that the gateway had in the calm."""
    most: int = 0
    """The bytes of memory that it had at most."""
    waits: dict[str, Waits] = field(default_factory=dict)
    """Those of another caller, by port."""
    statuses: set[int] = field(default_factory=set)
    """What that caller was answered."""

    @property
    def added(self) -> int:
        """The bytes of memory that were added at most."""
        return self.most - self.before


def memory_of(gateway: Gateway, which: str = "VmRSS") -> int:
    """Return the bytes of memory that a gateway's process has, or with `VmHWM` had at most."""
    status = Path(f"/proc/{gateway.command.process.pid}/status").read_text()
    found = re.search(rf"{which}:\s+(\d+) kB", status)
    assert found is not None
    return int(found.group(1)) * 1024


@contextmanager
def cost_of(gateway: Gateway, secret: str, ports: Sequence[str] = ("data",)) -> Iterator[Cost]:
    """Measure what the block costs. Another caller with a token asks all the while, at each of the ports."""
    asking = subprocess.Popen(
        [sys.executable, str(_ASKING), secret, *(getattr(gateway, port) for port in ports)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=clean_environment(),
        text=True,
    )
    cost, pid = Cost(), gateway.command.process.pid
    with asking:
        assert asking.stdin is not None
        assert asking.stdout is not None
        try:
            assert asking.stdout.readline() == "calm\n"
            cost.before = memory_of(gateway)
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # the most from here on
            yield cost
            asking.stdin.close()
            said = asking.stdout.readline()
        except BaseException:
            asking.kill()
            raise
    assert said, "the other caller ended before the flood"
    cost.most = memory_of(gateway, "VmHWM")
    told = json.loads(said)
    for port, caller in zip(ports, told["callers"], strict=True):
        waits = caller["waits"]
        cost.waits[port] = Waits(waits[: told["calm"]], waits[told["calm"] :])
        cost.statuses.update(caller["statuses"])
