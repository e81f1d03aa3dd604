"""The lists of models that upstreams give, asked for while somebody wants them, and kept."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping

from tollkeeper_server.dataplane.aside import LARGE
from tollkeeper_server.dataplane.call.forward import credential_for
from tollkeeper_server.dataplane.call.health import Health
from tollkeeper_server.dataplane.call.own_request import own_request
from tollkeeper_server.dataplane.call.redirect import REDIRECTS, follow
from tollkeeper_server.dataplane.request.peek import MAX_MODEL_LENGTH
from tollkeeper_server.dataplane.transport import LocalShortageError, Outgoing, Transport, TransportError
from tollkeeper_server.domain.model import is_pattern
from tollkeeper_server.domain.upstream import Timeouts
from tollkeeper_server.providers.model_list import ModelTimes, read_model_list
from tollkeeper_server.snapshot.model import Header, ProjectView, Snapshot, Target
from tollkeeper_server.telemetry.metrics import Metrics

_log = logging.getLogger("tollkeeper.dataplane")

FRESH_SECONDS = 60.0
"""The time for which a list is good. The next request after it gets that list, and has it asked for again."""
RETRY_SECONDS = 30.0
"""The same after a failure."""
FIRST_SECONDS = 5.0
"""The longest wait of a request for a list that was never had."""
MAX_BYTES = 4 << 20
"""The largest list that is read."""
MAX_LISTS = 256
"""The most lists that are kept; beyond that, those that were not wanted for the longest time go."""

_TIMEOUTS = Timeouts(connect=5.0, first_byte=10.0, idle=10.0, total=20.0)


class _Kept:
    """A list that was asked for by a request. `is_known` says that there was an answer, or a failure.

    `problem` is how the latest attempt failed, empty if it did not.
    """

    __slots__ = ("again_at", "asking", "is_known", "models", "problem", "request")

    def __init__(self, request: Outgoing) -> None:
        self.request = request
        self.models: ModelTimes = {}
        self.is_known = False
        self.problem = ""
        self.again_at = 0.0
        self.asking: asyncio.Task[None] | None = None


class ModelLists:
    """Asks upstreams for their models. A failure keeps the last list.

    The models of an upstream may differ by the key it is called with: where a project's own key takes the
    place of the upstream's, it has a list of its own.
    """

    def __init__(
        self,
        transport: Transport,
        metrics: Metrics,
        health: Health,
        clock: Callable[[], float],
        *,
        first_seconds: float = FIRST_SECONDS,
    ) -> None:
        """Take a clock that returns seconds."""
        self._transport = transport
        self._metrics = metrics
        self._health = health
        self._clock = clock
        self._first_seconds = first_seconds
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def of(self, targets: Iterable[Target], project: ProjectView) -> Mapping[str, ModelTimes]:
        """Return the models of upstreams that list them, by upstream, as a project's requests find them.

        Waits only for upstreams that were never asked, for `first_seconds` in all.
        """
        wanted = {target.name: self._wanted(target, project) for target in targets}
        first = [it.asking for it in wanted.values() if it.asking is not None and not it.is_known]
        if first:
            await asyncio.wait(first, timeout=self._first_seconds)
        return {name: it.models for name, it in wanted.items()}

    async def of_own(self, target: Target) -> tuple[ModelTimes, str]:
        """Return the models that an upstream lists to its own credential, and why there is no newer list.

        Waits for a list that is due, for `first_seconds`. The reason is empty if the list is good.
        """
        kept = self._kept_for(target, target.list_url, target.credential, "")
        if kept.asking is not None:
            await asyncio.wait({kept.asking}, timeout=self._first_seconds)
        waits = "it has not answered yet" if kept.asking is not None else ""
        return kept.models, kept.problem or waits

    def follow(self, snapshot: Snapshot) -> None:
        """Forget the lists of upstreams and projects that are not in this configuration."""
        for key in list(self._kept):
            upstream, project = key
            if upstream not in snapshot.targets or (project and project not in snapshot.projects):
                _end(self._kept.pop(key))

    async def close(self) -> None:
        """End all asking."""
        self._kept.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _wanted(self, target: Target, project: ProjectView) -> _Kept:
        credential = credential_for(target, project)
        whose = project.id if credential != target.credential else ""
        return self._kept_for(target, target.models_url, credential, whose)

    def _kept_for(self, target: Target, url: str, credential: tuple[Header, ...], whose: str) -> _Kept:
        """Return the list of an upstream, asked for if it is due; `whose` is the project with that key."""
        request = own_request(target, url, credential, _TIMEOUTS)
        key = (target.name, whose)
        kept = self._kept.pop(key, None)
        if kept is None or kept.request != request:
            if kept is not None:
                _end(kept)
            kept = _Kept(request)
        self._kept[key] = kept
        if len(self._kept) > MAX_LISTS:
            _end(self._kept.pop(next(iter(self._kept))))
        if kept.asking is None and (not kept.is_known or self._clock() >= kept.again_at):
            kept.asking = asyncio.create_task(self._ask(target, kept))
            self._tasks.add(kept.asking)
            kept.asking.add_done_callback(self._tasks.discard)
        return kept

    async def _ask(self, target: Target, kept: _Kept) -> None:
        upstream, problem = target.name, ""
        try:
            kept.models = await self._read(target, kept.request)
        except LocalShortageError:  # which says nothing of the upstream
            kept.again_at = self._clock() + RETRY_SECONDS
            kept.asking = None
            return
        except (TransportError, ValueError) as error:
            problem = str(error)
            if isinstance(error, TransportError) and error.problem is not None:
                self._health.unreached(target, error.problem)
        except Exception:  # noqa: BLE001 - the outermost frame of a task
            _log.exception("the upstream %s could not be asked for its models", upstream)
            problem = "something went wrong here"
        self._metrics.asked_for_models(upstream, "failure" if problem else "success")
        if problem and not kept.problem:
            _log.warning("the upstream %s does not list its models: %s", upstream, problem)
        elif kept.problem and not problem:
            _log.info("the upstream %s lists its models again", upstream)
        kept.problem = problem
        kept.is_known = True
        kept.again_at = self._clock() + (RETRY_SECONDS if problem else FRESH_SECONDS)
        kept.asking = None

    async def _read(self, target: Target, request: Outgoing) -> ModelTimes:
        body = bytearray()

        def take(chunk: bytes) -> bool:
            body.extend(chunk)
            return len(body) <= MAX_BYTES

        began = time.monotonic()
        incoming = await self._transport.open(request)
        self._health.answered(target)
        if incoming.status in REDIRECTS:
            incoming = await follow(self._transport, request, incoming, began)
        try:
            if incoming.status != 200:
                raise ValueError(f"status {incoming.status}")
            if not await incoming.pour(take):
                raise ValueError(f"its list is larger than {MAX_BYTES:,} bytes")
        finally:
            incoming.close()
        if len(body) > LARGE:
            return await asyncio.to_thread(_usable, bytes(body))
        return _usable(bytes(body))


def _usable(body: bytes) -> ModelTimes:
    """Return the models of a list that a request can name."""
    return {
        name: made
        for name, made in read_model_list(body).items()
        if 0 < len(name) <= MAX_MODEL_LENGTH and name.isprintable() and not is_pattern(name)
    }


def _end(kept: _Kept) -> None:
    if kept.asking is not None:
        kept.asking.cancel()
