"""Turns one definition of a call (`tollkeeper.calls`) into a method of either client.

A builder such as `create_project(*, name) -> Rpc[Project]` becomes, with its parameters, types and
docstring, `create(*, name) -> Project` of the blocking client and `async create(*, name) -> Project` of
the asynchronous one. So both have the same methods.
"""

import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Concatenate, ParamSpec, Protocol, TypeVar, get_args, get_type_hints

from tollkeeper.calls.rpc import Pages, Rpc

P = ParamSpec("P")
T = TypeVar("T")


class Sender(Protocol):
    """Makes calls and waits for their answers."""

    def send(self, call: Rpc[T]) -> T:
        """Make the call. Raises `TollkeeperError`."""


class AsyncSender(Protocol):
    """Makes calls without blocking."""

    async def send(self, call: Rpc[T]) -> T:
        """Make the call. Raises `TollkeeperError`."""


class Methods:
    """Methods of the blocking client that belong together."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender


class AsyncMethods:
    """Methods of the asynchronous client that belong together."""

    def __init__(self, sender: AsyncSender) -> None:
        self._sender = sender


def blocking(build: Callable[P, Rpc[T]]) -> Callable[Concatenate[Methods, P], T]:
    """Make a method that waits for the answer."""

    def method(self: Methods, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._sender.send(build(*args, **kwargs))

    _describe(method, build)
    return method


def blocking_pages(build: Callable[P, Pages[T]]) -> Callable[Concatenate[Methods, P], Iterator[T]]:
    """Make a method that iterates over all pages, each fetched when it is reached."""

    def method(self: Methods, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return _iterate(self._sender, build(*args, **kwargs))

    _describe(method, build, Iterator)
    return method


def awaiting(build: Callable[P, Rpc[T]]) -> Callable[Concatenate[AsyncMethods, P], Coroutine[None, None, T]]:
    """Make a method whose answer is awaited."""

    async def method(self: AsyncMethods, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._sender.send(build(*args, **kwargs))

    _describe(method, build)
    return method


def awaiting_pages(
    build: Callable[P, Pages[T]],
) -> Callable[Concatenate[AsyncMethods, P], AsyncIterator[T]]:
    """Make a method that iterates over all pages, each fetched when it is reached."""

    def method(self: AsyncMethods, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        return _iterate_async(self._sender, build(*args, **kwargs))

    _describe(method, build, AsyncIterator)
    return method


def _iterate(sender: Sender, pages: Pages[T]) -> Iterator[T]:
    page = sender.send(pages.at(""))
    yield from page.items
    while page.next_page_token:
        page = sender.send(pages.at(page.next_page_token))
        yield from page.items


async def _iterate_async(sender: AsyncSender, pages: Pages[T]) -> AsyncIterator[T]:
    page = await sender.send(pages.at(""))
    for item in page.items:
        yield item
    while page.next_page_token:
        page = await sender.send(pages.at(page.next_page_token))
        for item in page.items:
            yield item


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
