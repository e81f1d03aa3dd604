"""A call that is ready to be made, whoever makes it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

PACKAGE = "tollkeeper.v1"

T = TypeVar("T")
Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One unary call: the method's path, its request, and how to read the bytes of its response."""

    path: str
    request: Message
    read: Callable[[bytes], T]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of the items of a list. An empty `next_page_token` says that they are the last."""

    items: tuple[T, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class Pages(Generic[T]):
    """A whole list: makes the call for the page that a page token names, "" being the first."""

    at: Callable[[str], Call[Page[T]]]


def call(
    service: str, method: str, request: Message, response: type[Response], read: Callable[[Response], T]
) -> Call[T]:
    """Makes the call of a method whose response is read by `read`."""
    return Call(f"/{PACKAGE}.{service}/{method}", request, lambda data: read(response.FromString(data)))


def nothing(response: Message) -> None:
    """Reads a response that says nothing."""
