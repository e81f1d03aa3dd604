"""Active probes, which notice an outage and its end without a caller's request."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from random import Random

from tollkeeper_server.dataplane.call.attempt import kind_of
from tollkeeper_server.dataplane.call.health import Health
from tollkeeper_server.dataplane.call.own_request import own_request
from tollkeeper_server.dataplane.transport import LocalShortageError, Outgoing, Transport, TransportError
from tollkeeper_server.domain.upstream import Probe, Timeouts
from tollkeeper_server.snapshot.model import Snapshot, Target

_log = logging.getLogger("tollkeeper.dataplane")

MAX_BYTES = 1 << 20
"""The most of an answer that is read; the connection is closed beyond that."""


class Prober:
    """Probes the upstreams that have a probe configured, each in a task of its own.

    A probe counts for the upstream's breaker as a call does, and takes the place of the one call that a
    half-open breaker allows. While the breaker is open, or beside that call, it changes nothing there.
    """

    def __init__(
        self,
        transport: Transport,
        health: Health,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._transport = transport
        self._health = health
        self._sleep = sleep
        self._random = Random()  # noqa: S311 - spreads load, keeps no secret
        self._targets: dict[str, Target] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def follow(self, snapshot: Snapshot) -> None:
        """Probe the upstreams of this configuration from now on, and no others. Needs a running loop."""
        before = self._targets
        self._targets = {name: target for name, target in snapshot.targets.items() if _is_probed(target)}
        for name in list(self._running):
            if name not in self._targets or self._targets[name].probe != before[name].probe:
                self._running.pop(name).cancel()
        for name, target in self._targets.items():
            if name not in self._running and target.probe is not None:
                task = asyncio.create_task(self._keep_probing(name, target.probe))
                self._running[name] = task
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End all probes."""
        self._running.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep_probing(self, name: str, probe: Probe) -> None:
        # Not all at once, neither when the process starts nor later on.
        pause = probe.interval_seconds * self._random.uniform(0.0, 0.1)
        while True:
            await self._sleep(pause)
            try:
                await self._probe(self._targets[name], probe)
            except Exception:  # noqa: BLE001 - the outermost frame of a task that must go on
                _log.exception("the upstream %s could not be probed", name)
            pause = probe.interval_seconds * self._random.uniform(0.9, 1.1)

    async def _probe(self, target: Target, probe: Probe) -> None:
        upstream = self._health.of(target)
        permit = upstream.breaker.enter(self._health.clock())
        try:
            problem, error = await self._ask(target, _request(target, probe))
        except LocalShortageError:  # which says nothing of the upstream
            upstream.breaker.abandoned(permit)
            return
        except BaseException:
            upstream.breaker.abandoned(permit)
            raise
        was = upstream.probe
        upstream.probed(permit, problem, error)
        if problem and was is not False:
            _log.warning("the upstream %s does not pass its probe: %s", target.name, problem)
        elif not problem and was is False:
            _log.info("the upstream %s passes its probe again", target.name)

    async def _ask(self, target: Target, request: Outgoing) -> tuple[str, str]:
        """Return what is the matter, in words and by its kind; both are empty if nothing is."""
        left = MAX_BYTES

        def drop(chunk: bytes) -> bool:
            nonlocal left
            left -= len(chunk)
            return left > 0

        try:
            incoming = await self._transport.open(request)
            self._health.answered(target)
            try:
                await incoming.pour(drop)
            finally:
                incoming.close()
        except LocalShortageError:
            raise
        except TransportError as error:
            if error.problem is not None:
                self._health.unreached(target, error.problem)
            return str(error), kind_of(error)
        status = incoming.status
        return (f"status {status}", f"http_{status}") if status >= 500 else ("", "")


def _is_probed(target: Target) -> bool:
    # A full URL has no paths below it.
    return target.probe is not None and bool(target.base_url)


def _request(target: Target, probe: Probe) -> Outgoing:
    seconds = probe.timeout_seconds
    timeouts = Timeouts(connect=seconds, first_byte=seconds, idle=seconds, total=seconds)
    return own_request(target, target.base_url + probe.path, target.credential, timeouts)
