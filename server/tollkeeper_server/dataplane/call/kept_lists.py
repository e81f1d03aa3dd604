"""Lists of what upstreams keep: a project sees its own things, from all upstreams that keep some.

The gateway asks upstreams for their pages until the caller's page is full, leaves out what is others', and
puts the rest in order by time. `first_id`, `last_id` and `has_more` are those of the caller's page.
"""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from urllib.parse import quote

from msgspec import structs

from tollkeeper_server.coordination.ports import Placements
from tollkeeper_server.dataplane.affinity import NotOwnError
from tollkeeper_server.dataplane.call.attempt import Attempt
from tollkeeper_server.dataplane.call.dispatch import Dispatcher
from tollkeeper_server.dataplane.call.gates import ProjectGates
from tollkeeper_server.dataplane.call.kept_walk import Asking, RefusedError, SpentError, Walk, find_thing
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.plan import Plan
from tollkeeper_server.dataplane.reply.kept_page import (
    ANTHROPIC_FORM,
    GOOGLE_FORM,
    OPENAI_FORM,
    Form,
    Thing,
    write_page,
)
from tollkeeper_server.dataplane.request.kept_path import is_googles
from tollkeeper_server.dataplane.request.list_query import ListQuery, read_list_query
from tollkeeper_server.dataplane.request.references import Reference
from tollkeeper_server.domain.upstream import Provider
from tollkeeper_server.errors import Reason, TollkeeperError, invalid_argument
from tollkeeper_server.providers.dialects import anthropic
from tollkeeper_server.snapshot.model import Target

SECONDS = 60.0
"""The longest time that is spent on one list."""
MAX_BYTES = 4 << 20
"""The size of a page beyond which it ends, and has more."""
AT_ONCE = 2
"""How many lists of a project are made at the same time; further ones wait."""

# What the APIs list first where nobody says so.
_OLDEST_FIRST = frozenset({"chat_completions", "chat", "evals"})
_OTHER_API = {True: frozenset({Provider.OPENAI, Provider.AZURE}), False: frozenset({Provider.ANTHROPIC})}
_MANY = 1 << 30


class KeptLists:
    """Makes the lists. `placements` tell whose things are."""

    def __init__(self, dispatcher: Dispatcher, placements: Placements, *, seconds: float = SECONDS) -> None:
        self._dispatcher = dispatcher
        self._placements = placements
        self._seconds = seconds
        self._gates = ProjectGates(AT_ONCE)

    async def answer(self, exchange: Exchange, plan: Plan) -> bytes | Attempt:
        """Return the caller's page as JSON, or the answer of an upstream that refused to list.

        Raises INVALID_ARGUMENT, NOT_FOUND for a cursor that is not the project's, UPSTREAM_INVALID for what
        is no list, UPSTREAM_TIMEOUT if nothing was found in time, STORE_UNAVAILABLE, and as the dispatcher.
        """
        query = read_list_query(exchange.scope["query_string"].decode("latin-1"))
        project = exchange.project_id
        async with self._gates.of(project):
            holder = ""
            if query.cursor:
                found = (await self._placements.find_many([query.cursor])).get(query.cursor)
                if found is None or found.project_id != project:
                    raise _no_cursor(query)
                holder = found.upstream
            targets = await self._keeping(exchange, project)
            if query.cursor and all(target.name != holder for target in targets):
                raise _no_cursor(query)  # its upstream takes no traffic, or is of the other API
            listing = _Listing(self._dispatcher, self._placements, exchange, plan, query, targets, holder)
            return await listing.answer(self._seconds)

    async def _keeping(self, exchange: Exchange, project: str) -> list[Target]:
        """Return the upstreams that keep something for a project: of the caller's API, if there are any."""
        targets = exchange.snapshot.targets
        names = await self._placements.keeping(project, [*targets])
        keeping = [targets[name] for name in sorted(names)]
        other = _OTHER_API[exchange.surface is anthropic.SURFACE]
        return [target for target in keeping if target.provider.provider not in other] or keeping


class _Listing:
    """One list under way."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        placements: Placements,
        exchange: Exchange,
        plan: Plan,
        query: ListQuery,
        targets: Sequence[Target],
        holder: str,
    ) -> None:
        self._dispatcher = dispatcher
        self._placements = placements
        self._exchange = exchange
        self._plan = plan
        self._query = query
        self._targets = targets
        self._holder = holder
        self._is_anthropics = exchange.surface is anthropic.SURFACE
        self._is_googles = is_googles(plan.matched)
        self._is_files = plan.matched.endpoint.name == "files"
        oldest_first = plan.matched.endpoint.name in _OLDEST_FIRST
        self._sign = 1 if query.order == "asc" or (oldest_first and query.order != "desc") else -1
        self._total: int | None = None
        by_number = query.number is not None
        size = 1000 if self._is_files and not by_number else 100
        self._asking = Asking(
            exchange,
            plan,
            query.rest,
            ("after_id", "before_id") if self._is_anthropics else ("after", "before"),
            first_size=size if by_number else min((query.limit or 20) + 1, size),
            size=size,
            size_name=query.size_name or ("pageSize" if self._is_googles else "limit"),
            by_number=by_number,
        )
        self._walks: list[Walk] = []

    async def answer(self, seconds: float) -> bytes | Attempt:
        things: list[Thing] = []
        goes_on = False
        form: Form | None = None
        with ExitStack() as stack:
            stack.callback(self._release)
            try:
                async with asyncio.timeout(seconds):
                    collect = self._collect if self._query.number is None else self._collect_numbered
                    goes_on = await collect(things)
                    if not self._targets:
                        form = await self._form_there()
            except RefusedError as error:
                return error.attempt
            except (SpentError, TimeoutError):
                if not things:
                    raise _nothing_found() from None
                goes_on = True
            if self._walks and all(walk.refusal is not None for walk in self._walks):
                refusal, self._walks[0].refusal = self._walks[0].refusal, None
                assert refusal is not None
                return refusal
        if self._query.backwards:
            things.reverse()
        for walk in self._walks:
            if walk.form is not None:
                form = walk.form if form is None else form.joined(walk.form)
        if form is None:
            form = ANTHROPIC_FORM if self._is_anthropics else GOOGLE_FORM if self._is_googles else OPENAI_FORM
        return write_page(things, form, goes_on=goes_on, total=self._total)

    async def _form_there(self) -> Form | None:
        """Return the form of the list where nothing is kept for the project yet, None if it is the API's own.

        Only a generic upstream may have another, which its first page tells.
        """
        member = next(iter(self._plan.destination.pool.members), None)
        if (
            member is None
            or member.target.provider.provider is not Provider.GENERIC
            or self._is_anthropics
            or self._is_googles
        ):
            return None
        walk = Walk(self._dispatcher, self._placements, self._asking, member.target)
        try:
            page = await walk.page()
        except RefusedError as error:
            error.attempt.release()
        except TollkeeperError:  # no such list, or none that can be read
            return None
        else:
            if walk.refusal is not None:
                walk.refusal.release()
            if page is not None:
                self._total = 0 if "total" in page.form.members else self._total
                return page.form
        return None

    async def _collect(self, things: list[Thing]) -> bool:
        """Put the things of the caller's page into a list; return whether there are more."""
        heads = await self._begin()
        size = 0
        while True:
            first = self._first(heads)
            if first is None:
                return False
            thing = heads[first]
            assert thing is not None
            if len(things) >= self._limit() or (things and size > MAX_BYTES):
                return True
            things.append(thing)
            size += _size(thing)
            heads[first] = await self._walks[first].next()

    async def _collect_numbered(self, things: list[Thing]) -> bool:
        """Do as `_collect`, and count all things, which pages with numbers tell."""
        heads = await self._begin()
        start = (self._query.number or 0) * self._limit()
        self._total = size = 0
        while (first := self._first(heads)) is not None:
            thing = heads[first]
            assert thing is not None
            if start <= self._total < start + self._limit():
                things.append(thing)
                size += _size(thing)
                if size > MAX_BYTES:
                    raise invalid_argument(
                        "page_size", f"makes a page of over {MAX_BYTES:,} bytes; ask for less"
                    )
            self._total += 1
            heads[first] = await self._walks[first].next()
        return self._total > start + len(things)

    async def _begin(self) -> list[Thing | None]:
        """Return the first thing of each walk, beyond the cursor."""
        query = self._query
        cursor = await self._cursor() if query.cursor and len(self._targets) > 1 else None
        heads: list[Thing | None] = []
        for target in self._targets:
            if query.cursor and target.name == self._holder:
                heads.append(await self._begin_at_cursor(target))
            elif cursor is None:
                heads.append(await self._walk(target).next())
            else:
                heads.append(await self._begin_beside(target, cursor))
        return heads

    async def _begin_at_cursor(self, target: Target) -> Thing | None:
        """Return what comes after the cursor at the upstream that has it."""
        if not self._query.by_page:
            return await self._walk(target, self._query.cursor).next()
        walk = self._walk(target)
        while (head := await walk.next()) is not None:
            if head.id == self._query.cursor:
                return await walk.next()
        raise _no_cursor(self._query)

    async def _begin_beside(self, target: Target, cursor: Thing) -> Thing | None:
        """Return what comes after the cursor, or before it, at an upstream that does not have it."""
        walk = self._walk(target)
        before: list[Thing] = []
        size = 0
        while (head := await walk.next()) is not None and not self._is_after(head, target, cursor):
            if not self._query.backwards:
                continue
            before.append(head)
            size += _size(head)
            while size > MAX_BYTES:
                size -= _size(before.pop(0))
        if not self._query.backwards:
            return head
        walk.turn(before)
        return await walk.next()

    def _walk(self, target: Target, position: str = "") -> Walk:
        backwards = self._query.backwards and bool(position)
        walk = Walk(self._dispatcher, self._placements, self._asking, target, position, backwards=backwards)
        self._walks.append(walk)
        return walk

    async def _cursor(self) -> Thing:
        query, matched, holder = self._query, self._plan.matched, self._holder
        target = self._exchange.snapshot.targets.get(holder)
        found = None
        if target is not None:
            # A resource's name has that of its collection, which the path ends with.
            one = query.cursor.rpartition("/")[2] if self._is_googles else quote(query.cursor, safe="")
            below = structs.replace(
                matched,
                path=f"{matched.path.rstrip('/')}/{one}",
                path_as_it_came=f"{matched.path_as_it_came.rstrip('/')}/{one}",
            )
            found = await find_thing(self._dispatcher, self._exchange, self._plan, target, below)
        if found is None:
            raise _no_cursor(query)
        return found

    def _is_after(self, thing: Thing, target: Target, cursor: Thing) -> bool:
        return (self._key(thing), target.name) > (self._key(cursor), self._holder)

    def _key(self, thing: Thing) -> float:
        return self._sign * (thing.made_at or 0.0)

    def _first(self, heads: Sequence[Thing | None]) -> int | None:
        waiting = [number for number, head in enumerate(heads) if head is not None]
        if len(waiting) < 2:
            return waiting[0] if waiting else None
        choose = max if self._query.backwards else min
        return choose(waiting, key=lambda at: (self._key(heads[at]), at))  # type: ignore[arg-type]  # it is there

    def _limit(self) -> int:
        if self._query.limit is not None:
            return self._query.limit
        if not any(walk.form is not None and walk.form.tells_more for walk in self._walks):
            return _MANY  # lists there have one page, whatever they hold
        return 10_000 if self._is_files and not self._is_anthropics else 20

    def _release(self) -> None:
        for walk in self._walks:
            if walk.refusal is not None:
                walk.refusal.release()


def _size(thing: Thing) -> int:
    return len(memoryview(thing.written))


def _no_cursor(query: ListQuery) -> TollkeeperError:
    # The error for an id that is known to be another project's.
    return NotOwnError(Reference(query.cursor, "object", query.field, must_be_own=False), "")


def _nothing_found() -> TollkeeperError:
    return TollkeeperError(
        Reason.UPSTREAM_TIMEOUT,
        "none of your things was among the many that the upstreams list first; ask for them by their ids, or "
        "for what comes after one of them",
    )
