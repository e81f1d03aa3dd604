"""Going through what one upstream keeps for a project, a page of the upstream's list at a time."""

import logging
from collections import deque
from collections.abc import Iterable, Sequence

from msgspec import Struct

from tollkeeper_server.coordination.ports import Placements
from tollkeeper_server.dataplane.aside import aside
from tollkeeper_server.dataplane.call.attempt import Attempt
from tollkeeper_server.dataplane.call.dispatch import Dispatcher
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.headers import content_coding
from tollkeeper_server.dataplane.plan import Plan
from tollkeeper_server.dataplane.reply.decoding import decode_body
from tollkeeper_server.dataplane.reply.kept_page import TOKENS, Form, Page, Thing, read_page, read_thing
from tollkeeper_server.dataplane.reply.thing_ids import told_names
from tollkeeper_server.dataplane.reply.told import KEPT, told_ids
from tollkeeper_server.dataplane.request.endpoint import Matched
from tollkeeper_server.dataplane.request.list_query import with_number, with_position
from tollkeeper_server.errors import Reason, StoreUnavailableError, TollkeeperError
from tollkeeper_server.snapshot.model import Target

_log = logging.getLogger("tollkeeper.dataplane")

MAX_PAGES = 100
"""The most pages that upstreams are asked for, for one request."""
MAX_PAGE_BYTES = 4 << 20
"""The largest page that is read. Instead of a larger one, a shorter one is asked for."""

# What servers answer that have no such list.
_HAS_NONE = frozenset({400, 404, 405, 501})


class SpentError(Exception):
    """As many pages were read as one request may have read."""


class RefusedError(Exception):
    """An upstream answered with an error, which the caller gets."""

    def __init__(self, attempt: Attempt) -> None:
        super().__init__("the upstream refused to list")
        self.attempt = attempt


class Asking(Struct):
    """The request for a list, and what it may have upstreams asked for yet: `pages_left`.

    `names` are the parameters that say after and before which thing a page stands, and `size_name` is the one
    that says how many things it has. `size` is the number of
    things of further pages, `first_size` that of first ones. `by_number`: pages may have numbers, from 0,
    where they do not say whether there are more.
    """

    exchange: Exchange
    plan: Plan
    rest: str
    names: tuple[str, str]
    first_size: int
    size: int
    size_name: str = "limit"
    by_number: bool = False
    pages_left: int = MAX_PAGES


class Walk:
    """The project's own things at one upstream, in the list's order, or `backwards` against it.

    It begins at the thing `position` there, which is not among them, or at the list's beginning. `form` are
    that of its pages, None as long as it has read none. `refusal` is the upstream's answer that it
    has no such list.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        placements: Placements,
        asking: Asking,
        target: Target,
        position: str = "",
        *,
        backwards: bool = False,
    ) -> None:
        self.target = target
        self.form: Form | None = None
        self.refusal: Attempt | None = None
        self._dispatcher = dispatcher
        self._placements = placements
        self._asking = asking
        self._backwards = backwards
        self._position = position
        self._by_page = ""  # the parameter that names a page
        self._number = 0
        self._listed: set[str] = set()  # by pages with numbers
        self._size = asking.first_size
        self._waiting: deque[Thing] = deque()
        self._seen: set[str] = set()
        self._ended = False

    async def next(self) -> Thing | None:
        """Return the next thing, None after the last one.

        Raises `SpentError`, `RefusedError`, and `TollkeeperError` if the upstream fails, or gives no list.
        """
        while not self._waiting and not self._ended:
            await self._read_on()
        return self._waiting.popleft() if self._waiting else None

    def turn(self, things: Sequence[Thing]) -> None:
        """Go on with these things, the last one first, and with nothing else."""
        self._waiting = deque(reversed(things))
        self._ended = True

    async def _read_on(self) -> None:
        page = await self.page()
        if page is None:
            self._ended = True
            return
        self.form = page.form if self.form is None else self.form.joined(page.form)
        if self._asking.by_number and not page.form.tells_more:
            await self._take_numbered(page)
            return
        own = await self._own(page.things)
        await self._learn(own)
        self._waiting.extend(reversed(own) if self._backwards else own)
        if not page.goes_on or not (page.things or page.next_page):
            self._ended = True
            return
        edge = page.things[0 if self._backwards else -1].id if page.things else ""
        self._by_page = TOKENS[page.form.token] if page.next_page else ""
        self._position = page.next_page or edge
        if self._position in self._seen:
            raise no_list(self.target, "its list does not get on")
        self._seen.add(self._position)
        self._size = self._asking.size

    async def _take_numbered(self, page: Page) -> None:
        """Take what the pages before did not have: a server that knows no numbers gives the same again."""
        new = [thing for thing in page.things if thing.id not in self._listed]
        self._listed.update(thing.id for thing in new)
        own = await self._own(new)
        await self._learn(own)
        self._waiting.extend(own)
        self._number += 1
        self._ended = not new

    async def _own(self, things: Iterable[Thing]) -> list[Thing]:
        # Another upstream may give something else the same id.
        found = await self._placements.find_many({thing.id for thing in things})
        project, upstream = self._asking.exchange.project_id, self.target.name
        return [
            Thing(thing.id, thing.made_at, thing.written.copy())
            for thing in things
            if (placement := found.get(thing.id)) is not None
            and placement.project_id == project
            and placement.upstream == upstream
        ]

    async def _learn(self, own: Sequence[Thing]) -> None:
        """Remember what upstreams have made by themselves for these: a batch's output, for example."""
        told = await aside(sum(map(_size, own)), _told, own)
        try:
            if told:
                await self._placements.learn(told, self.target.name, self._asking.exchange.project_id)
        except StoreUnavailableError:
            _log.warning(
                "request %s: what its list tells can't be stored yet", self._asking.exchange.event_id
            )

    async def page(self) -> Page | None:
        """Return the next page, None if the upstream has no such list. Raises as `next` does."""
        asking = self._asking
        name = self._by_page or asking.names[self._backwards]
        while True:
            if asking.pages_left == 0:
                raise SpentError
            asking.pages_left -= 1
            query = with_position(asking.rest, self._size, name, self._position, asking.size_name)
            if asking.by_number and not self._position:
                query = with_number(query, self._size, self._number)
            attempt = await self._dispatcher.look_up(
                asking.exchange, asking.plan, self.target, asking.plan.matched, query
            )
            if attempt.incoming.status >= 300:
                if not self._seen and not self._number and attempt.incoming.status in _HAS_NONE:
                    self.refusal = attempt
                    return None
                raise RefusedError(attempt)
            body = await read_whole(attempt, MAX_PAGE_BYTES)
            if body is not None:
                try:
                    return await aside(len(body), read_page, body)
                except ValueError as error:
                    raise no_list(self.target, str(error)) from error
            if self._size == 1 or asking.by_number:
                raise no_list(self.target, f"one thing of its list is larger than {MAX_PAGE_BYTES:,} bytes")
            self._size = max(self._size // 5, 1)


def _told(own: Sequence[Thing]) -> list[str]:
    written = {thing.id: bytes(thing.written) for thing in own}
    return [
        one
        for thing_id, shown in written.items()
        for one in (*told_ids(shown, KEPT), *told_names(shown))
        if one != thing_id
    ]


def _size(thing: Thing) -> int:
    return len(memoryview(thing.written))


async def find_thing(
    dispatcher: Dispatcher, exchange: Exchange, plan: Plan, target: Target, matched: Matched
) -> Thing | None:
    """Return the thing that an upstream has there, None if it has it no more. Raises as `Walk.next` does."""
    attempt = await dispatcher.look_up(exchange, plan, target, matched, "")
    if attempt.incoming.status in {404, 410}:
        attempt.release()
        return None
    if attempt.incoming.status >= 300:
        raise RefusedError(attempt)
    body = await read_whole(attempt, MAX_PAGE_BYTES)
    if body is None:
        raise no_list(target, f"it is larger than {MAX_PAGE_BYTES:,} bytes")
    try:
        return read_thing(body)
    except ValueError as error:
        raise no_list(target, str(error)) from error


async def read_whole(attempt: Attempt, limit: int) -> bytes | None:
    """Return the body of an answer without its coding, None if it is larger than `limit`; end the call."""
    incoming = attempt.incoming
    read = bytearray()

    def take(chunk: bytes) -> bool:
        read.extend(chunk)
        return len(read) <= limit

    with attempt.reading():
        ended = await incoming.pour(take)
    if not ended or len(read) > limit:
        return None
    body = decode_body(bytes(read), content_coding(incoming.headers), limit + 1)
    return body if len(body) <= limit else None


def no_list(target: Target, why: str) -> TollkeeperError:
    """Return the error for an answer that can't be told to be a list."""
    return TollkeeperError(
        Reason.UPSTREAM_INVALID,
        f"the gateway can't tell what is yours in what the upstream {target.name!r} answered: {why}; "
        "ask for things by their ids",
    )
