"""A remote procedure call that is ready to be made, by either client."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tollkeeper.messages import fill, read
from tollkeeper.messages.fields import changeable, descriptor_of
from tollkeeper.services import SERVICES
from tollkeeper.values.token import Expiry
from tollkeeper.values.traffic import Removal

T = TypeVar("T")
M = TypeVar("M", bound=Message)
S = TypeVar("S")
R = TypeVar("R", bound="Reaching")

_TOTAL = "with_total"
_METHODS = {method.input_type.full_name: method for service in SERVICES for method in service.methods}


@dataclass(frozen=True, slots=True)
class Rpc(Generic[T]):
    """One unary call: the method's path, its request, and how to read the bytes of its response."""

    path: str
    request: Message
    read: Callable[[bytes], T]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of the items of a list. An empty `next_page_token` says that they are the last.

    `total_size` is the length of the whole list, None if it was not asked for.
    """

    items: tuple[T, ...]
    next_page_token: str
    total_size: int | None


@dataclass(frozen=True, slots=True)
class Pages(Generic[T]):
    """A whole list: makes the call for the page that a page token names, "" being the first."""

    at: Callable[[str], Rpc[Page[T]]]


class Reaching(Protocol):
    """A message of a stream. `last_id` says how far it reaches, and is never empty."""

    @property
    def last_id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Stream(Generic[S]):
    """A stream to go on with: makes the call for what comes behind a message, None for the first call.

    `is_news` says whether a message tells more than that the call goes on.
    """

    behind: Callable[[S | None], Rpc[S]]
    is_news: Callable[[S], bool]


def rpc(request: Message, answer: type[T]) -> Rpc[T]:
    """Return the call of the method that takes a request. A response of one field stands for that."""

    def only_field(response: Message) -> Message:
        name, *others = descriptor_of(response).fields_by_name
        return response if others else getattr(response, name)

    return rpc_with(request, lambda response: read(answer, only_field(response)))


def rpc_without_answer(request: Message) -> Rpc[None]:
    """Return the call of the method that takes a request, whose response says nothing."""
    return rpc_with(request, lambda _: None)


def rpc_of_list(request: Message, item: type[T]) -> Rpc[tuple[T, ...]]:
    """Return the call of the method that takes a request, whose response is a list in its first field."""
    return rpc_with(request, lambda response: _items(response, item))


def pages(request: Message, item: type[T]) -> Pages[T]:
    """Return the calls of the method that takes a request, a page each."""

    def at(page_token: str) -> Rpc[Page[T]]:
        asked = type(request)()
        asked.CopyFrom(request)
        fill(asked, page_token=page_token)
        if page_token and _TOTAL in descriptor_of(asked).fields_by_name:
            asked.ClearField(_TOTAL)
        return rpc_with(
            asked,
            lambda response: Page(_items(response, item), response.next_page_token, _total_size(response)),
        )

    return Pages(at)


def stream(request: Message, message: type[R], is_news: Callable[[R], bool]) -> Stream[R]:
    """Return the calls of the method that takes a request and streams, the first and those that go on."""

    def behind(last: R | None) -> Rpc[R]:
        asked = type(request)()
        asked.CopyFrom(request)
        if last is not None:
            fill(asked, after_id=last.last_id)
        return rpc_with(asked, lambda response: read(message, response))

    return Stream(behind, is_news)


def stream_anew(request: Message, message: type[S], is_news: Callable[[S], bool]) -> Stream[S]:
    """Return the calls of the method that takes a request and streams; each begins with the whole."""
    call = rpc_with(request, lambda response: read(message, response))
    return Stream(lambda _: call, is_news)


def rpc_with(request: Message, read_response: Callable[[Any], T]) -> Rpc[T]:
    """Return the call of the method that takes a request, whose response is read by a function."""
    method = _METHODS[descriptor_of(request).full_name]
    response = GetMessageClass(method.output_type)
    return Rpc(
        f"/{method.containing_service.full_name}/{method.name}",
        request,
        lambda data: read_response(response.FromString(data)),
    )


def settle(request: M, settings: Mapping[str, object]) -> M:
    """Fill the request to create an entity with its settings, and return it.

    Raises `MessageError` for values that can't be sent, and `TypeError` for names that are none.
    """
    return fill(request, **{name: _given(value) for name, value in settings.items()})


def change(request: M, changes: Mapping[str, object]) -> M:
    """Fill the request to change an entity with what is given of the changes, and return it.

    Raises as `settle` does.
    """
    given = {name: value for name, value in changes.items() if value is not None}
    mask = [name for name in changeable(descriptor_of(request)) if name in given]
    return fill(settle(request, given), update_mask=mask)


def _given(value: object) -> object:
    return None if isinstance(value, Removal | Expiry) else value


def _total_size(response: Any) -> int | None:
    is_told = "total_size" in descriptor_of(response).fields_by_name and response.HasField("total_size")
    return response.total_size if is_told else None


def _items(response: Message, item: type[T]) -> tuple[T, ...]:
    first = next(iter(descriptor_of(response).fields_by_name))
    return tuple(read(item, it) for it in getattr(response, first))
