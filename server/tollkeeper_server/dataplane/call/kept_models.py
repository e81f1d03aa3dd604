"""The models that a request runs by a kept thing, held to what its token may use.

The thing is read at its upstream before the request is sent there, and so are the lines of a batch.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from itertools import product

from msgspec import structs

from tollkeeper_server.dataplane.aside import FEW, LARGE, aside
from tollkeeper_server.dataplane.budget.batch import BatchNeed, legs_of_lines
from tollkeeper_server.dataplane.call.attempt import Attempt
from tollkeeper_server.dataplane.call.dispatch import Dispatcher
from tollkeeper_server.dataplane.call.gates import ProjectGates
from tollkeeper_server.dataplane.call.kept_walk import MAX_PAGE_BYTES, no_list, read_whole
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.plan import Plan
from tollkeeper_server.dataplane.reply.decoding import decode_stream
from tollkeeper_server.dataplane.request.authenticate import Identity
from tollkeeper_server.dataplane.request.batch_lines import Line, Lines, line_not_allowed
from tollkeeper_server.dataplane.request.endpoint import Matched, match
from tollkeeper_server.dataplane.request.kept_models import models_in
from tollkeeper_server.dataplane.request.kept_path import before_family
from tollkeeper_server.dataplane.route import may_use, pin, served_name
from tollkeeper_server.errors import Reason, TollkeeperError, invalid_argument
from tollkeeper_server.snapshot.model import Snapshot, Target
from tollkeeper_server.snapshot.prices import model_there

MAX_FILE_BYTES = 512 << 20
"""The largest input file of a batch: OpenAI takes 200 MB."""
MAX_LINE_BYTES = 16 << 20
AT_ONCE = 1
"""How many files of a project are read at the same time; further ones wait."""

HoldLines = Callable[[Exchange, Identity, BatchNeed, Collection[str]], Awaitable[None]]
"""Holds what a batch needs whose lines run models of these names."""
CheckBodies = Callable[[Exchange, Sequence[bytes]], Awaitable[None]]
"""Raises NOT_FOUND if JSON bodies refer to things that are not the caller's."""


class KeptModels:
    """Reads what requests are about."""

    def __init__(self, dispatcher: Dispatcher, check_bodies: CheckBodies, hold_lines: HoldLines) -> None:
        self._dispatcher = dispatcher
        self._check_bodies = check_bodies
        self._hold_lines = hold_lines
        self._gates = ProjectGates(AT_ONCE)

    async def check(self, exchange: Exchange, plan: Plan) -> Plan | Attempt:
        """Return the plan, limited to the upstream that was asked, or that upstream's refusal to answer.

        What a batch needs is held. Raises MODEL_NOT_ALLOWED, INVALID_ARGUMENT for a batch that can't be read,
        NOT_FOUND for one that is about others' things, and as the dispatcher and `HoldLines` do.
        """
        look_up, members = plan.look_up, plan.destination.pool.members
        if look_up is None or not members:
            return plan
        target = members[0].target
        if len(members) > 1:
            plan = structs.replace(plan, destination=pin(plan.destination, target))
        models: list[str] = []
        batch = None
        if exchange.endpoint.name == "batches":
            is_limited = exchange.snapshot.has_meters or bool(plan.identity.token.limits)
            batch = _Batch(exchange, target, is_limited=is_limited)
        async with self._gates.of(exchange.project_id):
            for path in look_up.paths:
                matched = _beside(plan.matched, path)
                attempt = await self._dispatcher.look_up(exchange, plan, target, matched, "")
                if attempt.incoming.status >= 300:
                    return attempt
                if look_up.is_batch:
                    await self._check_batch(exchange, plan, attempt, target, batch)
                else:
                    models += _models_of(await read_whole(attempt, MAX_PAGE_BYTES), target)
        if batch is not None:
            await self._hold_lines(exchange, plan.identity, batch.need, batch.models)
        if look_up.is_batch:
            return plan
        if not models and not look_up.is_beside:
            raise _not_told(look_up.field)
        for name in models:
            if not _may_run(exchange.snapshot, plan, target, name):
                raise TollkeeperError(
                    Reason.MODEL_NOT_ALLOWED,
                    f"the token may not use the model {name!r}, which the request would run; "
                    "GET /v1/models lists those it may",
                    field=look_up.field,
                )
        return plan

    async def _check_batch(
        self, exchange: Exchange, plan: Plan, attempt: Attempt, target: Target, batch: "_Batch | None"
    ) -> None:
        lines = Lines(min(MAX_LINE_BYTES, exchange.limits.max_body))
        incoming = decode_stream(attempt.incoming, asked_stream=True)
        size = 0
        with attempt.reading():
            async for piece in incoming.chunks():
                size += len(piece)
                if size > MAX_FILE_BYTES:
                    raise invalid_argument(
                        "input_file_id", f"the file is larger than {MAX_FILE_BYTES:,} bytes; make several"
                    )
                if whole := lines.feed(piece):
                    await self._check_lines(exchange, plan, target, lines, whole, batch)
        if rest := lines.rest():
            await self._check_lines(exchange, plan, target, lines, rest + b"\n", batch)

    async def _check_lines(
        self,
        exchange: Exchange,
        plan: Plan,
        target: Target,
        lines: Lines,
        whole: bytes,
        batch: "_Batch | None",
    ) -> None:
        read = await aside(len(whole), lines.read, whole)
        if batch is not None:
            await aside(max(len(whole), LARGE + 1) if len(whole) > FEW else 0, batch.add, read)
        if plan.identity.token.allowed_models:
            _check_models(exchange.snapshot, plan, target, read)
        await self._check_bodies(exchange, [body for line in read for body in line.bodies])


class _Batch:
    """What the lines of a batch need together, and the names here of the models that they run."""

    def __init__(self, exchange: Exchange, target: Target, *, is_limited: bool) -> None:
        self._snapshot = exchange.snapshot
        self._upstream = target.name
        self._is_limited = is_limited
        self._there: set[str] = set()
        self.need = BatchNeed(legs_of_lines(exchange, target.name), exchange.started_at.timestamp())

    def add(self, lines: Iterable[Line]) -> None:
        for line in lines:
            self._there.update(line.models)
            if not self._is_limited:
                continue
            for endpoint, body in product(line.endpoints, line.bodies):
                self.need.add(endpoint, line.models, body)

    @property
    def models(self) -> set[str]:
        return {model_there(self._snapshot, self._upstream, there) for there in self._there}


def _check_models(snapshot: Snapshot, plan: Plan, target: Target, read: Iterable[Line]) -> None:
    known: dict[str, bool] = {}
    names_model = plan.look_up is not None and plan.look_up.is_beside
    for line in read:
        if not line.models and line.runs_unnamed and not names_model:
            raise line_not_allowed(line, "")
        for name in line.models:
            if name not in known:
                known[name] = _may_run(snapshot, plan, target, name)
            if not known[name]:
                raise line_not_allowed(line, name)


def _may_run(snapshot: Snapshot, plan: Plan, target: Target, there: str) -> bool:
    """Return whether a token may use a model that an upstream calls so."""
    token = plan.identity.token
    names = {
        name
        for name, route in snapshot.routes.items()
        for member in route.pool.members
        if member.target.name == target.name and (member.upstream_model or name) == there
    }
    if not names and there not in snapshot.routes:  # under its own name, by a pattern or a group
        names.add(there)
    return any(may_use(token, name, served_name(snapshot, name)) for name in names)


def _models_of(body: bytes | None, target: Target) -> list[str]:
    if body is None:
        raise no_list(target, f"it is larger than {MAX_PAGE_BYTES:,} bytes")
    try:
        return models_in(body)
    except TollkeeperError as error:
        raise no_list(target, "it is no JSON object") from error


def _not_told(field: str) -> TollkeeperError:
    return TollkeeperError(
        Reason.MODEL_NOT_ALLOWED,
        "the token is limited to some models, and the upstream does not say which one this request runs; "
        "use a token without allowed_models",
        field=field,
    )


def _beside(matched: Matched, path: str) -> Matched:
    """Return where another thing of the same upstream is, below the same beginning of the path."""
    beginning = matched.path_as_it_came.removesuffix(matched.path)
    endpoint = match(f"/v1{path}".encode(), "GET").endpoint
    path = f"{before_family(matched)}{path}"
    return structs.replace(matched, endpoint=endpoint, path=path, path_as_it_came=f"{beginning}{path}")
