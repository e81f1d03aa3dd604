"""Turns one definition of a call (`tollkeeper.calls`) into a method of either client.

A builder such as `create_project(*, name) -> Rpc[Project]` becomes, with its parameters, types and
docstring, `create(*, name) -> Project` of the blocking client and `async create(*, name) -> Project` of
the asynchronous one. So both have the same methods.
"""

import asyncio
import inspect
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator
from contextlib import aclosing, closing
from typing import Concatenate, ParamSpec, Protocol, TypeVar, get_args, get_type_hints

from tollkeeper.calls.rpc import Pages, Rpc, Stream
from tollkeeper.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")
_log = logging.getLogger("tollkeeper")
# How long it takes until a lost connection is made again, at first and at most.
_SHORTEST_SECONDS, _LONGEST_SECONDS = 0.5, 10.0


class Sender(Protocol):
    """Makes calls and waits for their answers."""

    def send(self, call: Rpc[T]) -> T:
        """Make the call. Raises `TollkeeperError`."""

    def stream(self, call: Rpc[T]) -> Generator[T]:
        """Make the call and yield its messages. Raises `TollkeeperError`."""


class _Pause:
    """How long it takes until a lost connection is made again: longer each time, until something comes."""

    def __init__(self) -> None:
        self.seconds = _SHORTEST_SECONDS

    def reset(self) -> None:
        """Begin again with the shortest."""
        self.seconds = _SHORTEST_SECONDS

    def next(self) -> float:
        """Return the seconds to wait this time."""
        seconds, self.seconds = self.seconds, min(2 * self.seconds, _LONGEST_SECONDS)
        return seconds


class AsyncSender(Protocol):
    """Makes calls without blocking."""

    async def send(self, call: Rpc[T]) -> T:
        """Make the call. Raises `TollkeeperError`."""

    def stream(self, call: Rpc[T]) -> AsyncGenerator[T]:
        """Make the call and yield its messages. Raises `TollkeeperError`."""


class Methods:
    """Methods of the blocking client that belong together."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender


class AsyncMethods:
    """Methods of the asynchronous client that belong together."""

    def __init__(self, sender: AsyncSender) -> None:
        self._sender = sender


class Items(Iterator[T]):
    """The items of a list, its pages fetched as they are reached.

    `total_size` is the length of the whole list, counted up to 10,000, once the first item was asked for;
    None before, and without `with_total`.
    """

    def __init__(self, sender: Sender, pages: Pages[T]) -> None:
        self.total_size: int | None = None
        self._items = self._read(sender, pages)

    def __next__(self) -> T:
        return next(self._items)

    def _read(self, sender: Sender, pages: Pages[T]) -> Iterator[T]:
        page = sender.send(pages.at(""))
        self.total_size = page.total_size
        yield from page.items
        while page.next_page_token:
            page = sender.send(pages.at(page.next_page_token))
            yield from page.items


class AsyncItems(AsyncIterator[T]):
    """The items of a list, as `Items` has them."""

    def __init__(self, sender: AsyncSender, pages: Pages[T]) -> None:
        self.total_size: int | None = None
        self._items = self._read(sender, pages)

    async def __anext__(self) -> T:
        return await anext(self._items)

    async def _read(self, sender: AsyncSender, pages: Pages[T]) -> AsyncIterator[T]:
        page = await sender.send(pages.at(""))
        self.total_size = page.total_size
        for item in page.items:
            yield item
        while page.next_page_token:
            page = await sender.send(pages.at(page.next_page_token))
            for item in page.items:
                yield item


def blocking(build: Callable[P, Rpc[T]]) -> Callable[Concatenate[Methods, P], T]:
    """Make a method that waits for the answer."""

    def method(self: Methods, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._sender.send(build(*args, **kwargs))

    _describe(method, build)
    return method


def blocking_pages(build: Callable[P, Pages[T]]) -> Callable[Concatenate[Methods, P], Items[T]]:
    """Make a method that iterates over all pages, each fetched when it is reached."""

    def method(self: Methods, /, *args: P.args, **kwargs: P.kwargs) -> Items[T]:
        return Items(self._sender, build(*args, **kwargs))

    _describe(method, build, Items)
    return method


def awaiting(build: Callable[P, Rpc[T]]) -> Callable[Concatenate[AsyncMethods, P], Coroutine[None, None, T]]:
    """Make a method whose answer is awaited."""

    async def method(self: AsyncMethods, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._sender.send(build(*args, **kwargs))

    _describe(method, build)
    return method


def awaiting_pages(
    build: Callable[P, Pages[T]],
) -> Callable[Concatenate[AsyncMethods, P], AsyncItems[T]]:
    """Make a method that iterates over all pages, each fetched when it is reached."""

    def method(self: AsyncMethods, /, *args: P.args, **kwargs: P.kwargs) -> AsyncItems[T]:
        return AsyncItems(self._sender, build(*args, **kwargs))

    _describe(method, build, AsyncItems)
    return method


def blocking_stream(build: Callable[P, Stream[T]]) -> Callable[Concatenate[Methods, P], Iterator[T]]:
    """Make a method that iterates over a stream, and goes on with it when its connection is lost."""

    def method(self: Methods, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return _follow(self._sender, build(*args, **kwargs))

    _describe(method, build, Iterator)
    return method


def awaiting_stream(
    build: Callable[P, Stream[T]],
) -> Callable[Concatenate[AsyncMethods, P], AsyncIterator[T]]:
    """Make a method that iterates over a stream, and goes on with it when its connection is lost."""

    def method(self: AsyncMethods, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        return _follow_async(self._sender, build(*args, **kwargs))

    _describe(method, build, AsyncIterator)
    return method


def _follow(sender: Sender, stream: Stream[T]) -> Iterator[T]:
    last: T | None = None
    pause = _Pause()
    while True:
        try:
            with closing(sender.stream(stream.behind(last))) as messages:
                for message in messages:
                    last = message
                    pause.reset()
                    if stream.is_news(message):
                        yield message
        except Unavailable as error:
            if last is None:
                raise
            _log.warning("%s; trying again", error.message)
        time.sleep(pause.next())


async def _follow_async(sender: AsyncSender, stream: Stream[T]) -> AsyncIterator[T]:
    last: T | None = None
    pause = _Pause()
    while True:
        try:
            async with aclosing(sender.stream(stream.behind(last))) as messages:
                async for message in messages:
                    last = message
                    pause.reset()
                    if stream.is_news(message):
                        yield message
        except Unavailable as error:
            if last is None:
                raise
            _log.warning("%s; trying again", error.message)
        await asyncio.sleep(pause.next())


def _describe(method: Callable[..., object], build: Callable[..., object], many: type | None = None) -> None:
    """Give `method` what help() shows: the builder's name, docstring and signature with its result."""
    built = inspect.signature(build)
    (result,) = get_args(built.return_annotation)
    this = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    signature = built.replace(
        parameters=[this, *(it for parameter in built.parameters.values() for it in _named(parameter))],
        return_annotation=many[result] if many else result,  # type: ignore[index]  # a generic class
    )
    method.__name__ = build.__name__
    method.__doc__ = build.__doc__
    method.__signature__ = signature  # type: ignore[attr-defined]  # what inspect looks for


def _named(parameter: inspect.Parameter) -> Iterator[inspect.Parameter]:
    """Yield a parameter, or of `**changes: Unpack[...]` one for each keyword."""
    if parameter.kind is not inspect.Parameter.VAR_KEYWORD:
        yield parameter
        return
    (keywords,) = get_args(parameter.annotation)
    for name, kind in get_type_hints(keywords).items():
        yield inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
