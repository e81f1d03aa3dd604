"""Affinity: what upstreams keep belongs to the project that made it, and is reached again where it is kept.

Whose a file, a batch, a response or the like is, and which upstream has it, is remembered by its id, before
the caller learns the id. A request that refers to what is another project's, or is not known, is answered as
if there were no such thing.
"""

from collections.abc import Sequence
from functools import partial

from msgspec import Struct

from tollkeeper_server.coordination.ports import Placements
from tollkeeper_server.dataplane.aside import aside
from tollkeeper_server.dataplane.background import Awaited
from tollkeeper_server.dataplane.budget.batch import BATCHES
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.request.endpoint import Endpoint, Matched
from tollkeeper_server.dataplane.request.form_references import (
    form_references,
    names_references,
    other_references,
)
from tollkeeper_server.dataplane.request.kept_path import (
    path_references,
    query_references,
    segments_of,
    unknown_path_references,
)
from tollkeeper_server.dataplane.request.peek import Peek
from tollkeeper_server.dataplane.request.references import (
    ITEM,
    Reference,
    Referred,
    chat_may_refer,
    header_references,
    may_refer,
    walk_references,
)
from tollkeeper_server.dataplane.turns import Turns
from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.errors import Reason, StoreUnavailableError, TollkeeperError
from tollkeeper_server.providers.dialects.openai import RESPONSES_AGAIN

_MAX_SHOWN = 100
_ENDING_BATCHES = frozenset({"batches", "files", "messages_batches"})
"""The names of the endpoints where the end of a batch may be read."""
_READING_BATCHES = frozenset({("GET", "content"), ("GET", "results"), ("POST", "cancel")})
# So many bytes are looked through for a word on the event loop, in half a millisecond.
_QUICK = 1024 * 1024


class Kept(Struct, frozen=True, gc=False):
    """The known thing that a request refers to most tellingly, and the response whose end it may read."""

    placement: Placement
    awaited: Awaited | None = None


class NotOwnError(TollkeeperError):
    """The project has no such thing. `owner` is the project that has it, empty if none is known to."""

    def __init__(self, reference: Reference, owner: str) -> None:
        shown = reference.id[:_MAX_SHOWN]
        super().__init__(
            Reason.NOT_FOUND,
            f"there is no {reference.kind} {shown!r} in this project; what was made past the gateway is "
            "reached only with TOLLKEEPER_SHARE_KEPT",
            field=reference.field,
        )
        self.owner = owner


class Affinity:
    """Finds whose the things are that requests refer to, and where they are kept.

    With `shared`, projects reach each other's, and what nobody is known to have made.
    """

    def __init__(self, placements: Placements, *, shared: bool = False) -> None:
        self._placements = placements
        self._shared = shared
        self._turns = Turns()

    @property
    def shared(self) -> bool:
        """Whether projects reach each other's things."""
        return self._shared

    async def check_bodies(self, exchange: Exchange, bodies: Sequence[bytes]) -> None:
        """Raise as `find` does for requests with these JSON bodies, which the caller has an upstream send."""
        if self._shared:
            return
        references: list[Reference] = []
        for body in bodies:
            if await aside(len(body), may_refer, body):
                found = Referred()
                await self._turns.through(walk_references(body, found), len(body))
                references += found.all()
        _check_own(exchange.project_id, references, await self._known(references))

    async def find(self, exchange: Exchange, matched: Matched, peek: Peek, body: bytes) -> Kept | None:
        """Return what a request refers to, None if that is nothing, or nothing that is known.

        Raises NOT_FOUND if it refers to what is not the project's, INVALID_ARGUMENT if to too many things,
        STORE_UNAVAILABLE if the store can't be asked.
        """
        again = exchange.endpoint.dialect is RESPONSES_AGAIN
        may_end = again or exchange.endpoint.name in _ENDING_BATCHES
        has_all = self._shared and len(exchange.snapshot.targets) <= 1  # the only upstream
        if has_all and not may_end:
            return None
        references = await self._references(exchange, matched, peek, body)
        if not references:
            return None
        try:
            known = await self._known(references)
        except StoreUnavailableError:
            if has_all and not again:  # a batch's end can be read again
                return None
            raise
        if not self._shared:
            exchange.unknown_ids = frozenset(
                one
                for it in references
                if not _is_chosen(exchange, it)
                for one in (it.id, *it.also)
                if one not in known
            )
            _check_own(exchange.project_id, references, known)
            if segments_of(matched):
                below = _first_below(exchange.project_id, references, known)
                exchange.not_own = NotOwnError(below, "") if below is not None else None
        placement = next((found for it in references for found in _placements(it, known)), None)
        if placement is None:
            return None
        awaited = None
        if may_end and placement.pending is not None:
            ending = Awaited(placement.id, placement.pending)
            reads = _reads_batch if ending.is_batch else _reads_end
            awaited = ending if reads(exchange.method, matched, placement) else None
        return Kept(placement, awaited)

    async def _known(self, references: Sequence[Reference]) -> dict[str, Placement]:
        """Return where things are that are referred to. By further ids are looked up those that need be."""
        known = await self._placements.find_many([reference.id for reference in references])
        further = {one for it in references if it.id not in known for one in it.also}
        return known | await self._placements.find_many(further) if further else known

    async def _references(
        self, exchange: Exchange, matched: Matched, peek: Peek, body: bytes
    ) -> list[Reference]:
        endpoint = exchange.endpoint
        may_keep = endpoint.may_keep
        is_listed = endpoint.keeps or (may_keep and bool(segments_of(matched)))
        # Elsewhere callers may send very many ids that are no kept thing's.
        found = Referred(named_alone=not is_listed)
        beside: list[Reference] = []
        if may_keep:
            found.add(path_references(matched))
            if not is_listed:
                beside += unknown_path_references(matched)
            if exchange.scope["query_string"]:
                found.add(query_references(exchange.scope["query_string"]))
            found.add(header_references(exchange.scope["headers"]))
        if body and peek.is_json:
            refers = may_refer if may_keep else partial(chat_may_refer, is_anthropics=endpoint.is_anthropics)
            if endpoint.is_speech or await aside(len(body), refers, body):
                await self._turns.through(walk_references(body, found), len(body))
        elif body and peek.form is not None:
            for steps, size in form_references(body, peek.form.boundary, found):
                await self._turns.through(steps, size)
        elif body and may_keep:
            for steps, size in other_references(exchange.headers.get(b"content-type", b""), body, found):
                await self._turns.through(steps, size)
        # Else ids of calls and the like are none of what is kept.
        return [*found.all(own_alone=not may_keep), *beside]


def concerns(endpoint: Endpoint, peek: Peek, body: bytes) -> bool:
    """Return whether a request may refer to what upstreams keep. It is cheap where hardly any does."""
    if endpoint.may_keep or not endpoint.refers:
        return endpoint.may_keep
    if peek.is_json:
        if endpoint.is_speech or len(body) > _QUICK:
            return True
        return chat_may_refer(body, is_anthropics=endpoint.is_anthropics)
    return peek.form is not None and names_references(peek.form.fields)


def _check_own(project_id: str, references: list[Reference], known: dict[str, Placement]) -> None:
    for reference in references:
        placements = _placements(reference, known)
        if not placements and reference.must_be_own:
            raise NotOwnError(reference, "")
        for placement in placements:
            if placement.project_id != project_id:
                # Of things below an own one, the same is named whether they are another's or nobody's.
                below = None if reference.must_be_own else _first_below(project_id, references, known)
                raise NotOwnError(below or reference, placement.project_id)


def _first_below(
    project_id: str, references: Sequence[Reference], known: dict[str, Placement]
) -> Reference | None:
    """Return the first thing that a path names below an own one and that is not known to be own, too."""
    if not any(it.field == "path" and it.must_be_own for it in references):
        return None  # what a path of no family names is below nothing
    for reference in references:
        if reference.field == "path" and not reference.must_be_own:
            placements = _placements(reference, known)
            if not placements or any(it.project_id != project_id for it in placements):
                return reference
    return None


def _is_chosen(exchange: Exchange, reference: Reference) -> bool:
    """Return whether a request makes the item that it names: the answer tells it as made."""
    return reference.kind == ITEM and not reference.must_be_own and exchange.endpoint.name == "conversations"


def _placements(reference: Reference, known: dict[str, Placement]) -> list[Placement]:
    return [known[one] for one in (reference.id, *reference.also) if one in known]


def _reads_batch(method: str, matched: Matched, placement: Placement) -> bool:
    """Return whether a request reads a batch, what its requests were answered with, or has it cancelled."""
    *_, before, last = ("", *segments_of(matched))
    if last == placement.id:
        return method in {"GET", "DELETE"} and matched.endpoint.name in BATCHES
    if before != placement.id:
        return False
    return (method, last) in _READING_BATCHES


def _reads_end(method: str, matched: Matched, placement: Placement) -> bool:
    segments = segments_of(matched)
    return (
        len(segments) == (3 if method == "POST" else 2)
        and method in {"GET", "DELETE", "POST"}
        and segments[1] == placement.id
    )
