"""The CPU time that a load costs the subject and the upstream."""

import time
from collections.abc import Sequence

from bench.processes import Process
from bench.subjects import Contestant, Traffic, Upstreams

_PROBE_SECONDS = 0.1
_IDLE_SHARE = 0.1
_PATIENCE_SECONDS = 15.0


def settle(processes: Sequence[Process]) -> float:
    """Wait until these processes are idle; return the seconds waited."""
    began = time.monotonic()
    while time.monotonic() - began < _PATIENCE_SECONDS:
        before = sum(process.cpu().total for process in processes)
        time.sleep(_PROBE_SECONDS)
        if sum(process.cpu().total for process in processes) - before <= _IDLE_SHARE * _PROBE_SECONDS:
            break
    return time.monotonic() - began - _PROBE_SECONDS


class Account:
    """Measures the CPU time of a load, from the construction until `close`.

    The subject's time includes work that it defers until after the load.
    """

    def __init__(self, contestant: Contestant, traffic: Traffic, upstreams: Upstreams) -> None:
        self._subject = contestant.process
        self._upstream = upstreams.serving(traffic)
        self._subject_before = self._subject.cpu() if self._subject else None
        self._family = self._subject.family() if self._subject else None
        self._upstream_before = self._upstream.cpu()
        self._began = time.monotonic()
        self.user = self.system = self.upstream = self.catching_up = self.busy = 0.0
        self.is_whole = True
        """False if one of the subject's processes began or ended meanwhile."""

    def close(self) -> None:
        """Set the seconds of CPU time, the seconds of deferred work, and the busy share under load."""
        self.upstream = (self._upstream.cpu() - self._upstream_before).total
        if self._subject is None or self._subject_before is None:
            return
        under_load = self._subject.cpu() - self._subject_before
        self.busy = under_load.total / (time.monotonic() - self._began)
        self.catching_up = max(settle([self._subject]), 0.0)
        used = self._subject.cpu() - self._subject_before
        self.user, self.system = used.user, used.system
        self.is_whole = self._subject.family() == self._family
