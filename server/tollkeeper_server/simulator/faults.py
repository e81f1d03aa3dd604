"""The directives that one request gives the simulator in its `x-simulate` header.

The header holds directives separated by commas, `name` or `name=value`; several such headers add up.
An unknown or malformed directive is refused with 400, so that a typing error in a test is found.

    latency=MS          wait before the first byte
    interval=MS         wait between the events of a stream
    events=N            answer in N words, which a stream sends as N content events
    pad=N               make the first word of the answer N characters long

    status=CODE         answer with an error of this status
    code=TEXT           ... and this error code
    retry-after=S       add this header
    header=NAME:VALUE   add this header to the answer; may be repeated
    error-event=N       send an error event after N events, and nothing after it

    no-usage            leave the usage out, even if a stream is asked for it (llama-cpp-python's server);
                        of a batch that this request ends, too
    usage=beside        end a stream with its usage beside a choice that says nothing (LiteLLM's proxy)
    usage=merged        say a stream's usage in the event with the finish reason
    usage=zeros         say a usage of zeros in every event of a stream, asked for or not (LiteLLM's proxy)
    blank-lines=N       send N empty lines after the end of a stream (LiteLLM's proxy: 1)
    no-done             leave out the stream's last event ([DONE], message_stop, response.completed)
    cached=N            report N of the prompt's tokens as read from the cache
    cache-creation=N    report N of the prompt's tokens as written to the cache (Anthropic)
    reasoning=N         add N completion tokens for reasoning
    message-deltas=N    send N message_delta events with growing counts (Anthropic)
    tool-call           answer with a call of the first tool
    failed              end with the status "failed" (responses)

    cut=N               drop the connection after N events, or after N bytes of a plain body
    drop                drop the connection without an answer
    reset               reset the connection (RST) without an answer
    hang=headers        never answer; hang=body: send the head only; hang=N: fall silent after N events
    garbage             answer with bytes that are not HTTP
    garbage=body        answer with a body that does not fit its content type
    garbage=event       send an event that is not JSON after the first one
    early               answer without reading the body
    uuid-ids            answer 400 without a body to an x-request-id that is no UUID (llama-cpp-python)

    gzip                compress the answer
    split=N             write the body in pieces of N bytes
    crlf                end the lines of a stream with CRLF
    comments            send a comment line before every event
    close-framed        send no length: the end of the connection ends the body
    no-phrase           leave the text out of the status line; the end of the connection ends the body
    1xx                 send a 103 before the answer
    echo-headers        answer with the request's method, path, headers, and its body's length and SHA-256
    echo-body           answer with the request's body and content type
"""

from collections.abc import Callable, Iterable
from enum import StrEnum

from msgspec import Struct

HEADER = b"x-simulate"


class FaultError(ValueError):
    """A directive is unknown or malformed; the message names it."""


class Garbage(StrEnum):
    """The part of the answer that is replaced with nonsense."""

    WIRE = "wire"
    BODY = "body"
    EVENT = "event"


class UsagePlace(StrEnum):
    """Where a stream says its usage. OpenAI's place is an event of its own, without choices."""

    ALONE = "alone"
    BESIDE = "beside"
    MERGED = "merged"
    ZEROS = "zeros"


class Faults(Struct, frozen=True, kw_only=True):
    """The directives of one request. `None` means that the configuration decides.

    `hang` is the number of events before the silence: -1 is before the head, 0 right after it. Times are in
    milliseconds.
    """

    latency: float | None = None
    interval: float | None = None
    events: int | None = None
    pad: int = 0
    status: int | None = None
    code: str = ""
    retry_after: str = ""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    error_event: int | None = None
    no_usage: bool = False
    usage: UsagePlace = UsagePlace.ALONE
    blank_lines: int = 0
    no_done: bool = False
    cached: int = 0
    cache_creation: int = 0
    reasoning: int = 0
    message_deltas: int = 1
    tool_call: bool = False
    failed: bool = False
    cut: int | None = None
    drop: bool = False
    reset: bool = False
    hang: int | None = None
    garbage: Garbage | None = None
    early: bool = False
    uuid_ids: bool = False
    gzip: bool = False
    split: int = 0
    crlf: bool = False
    comments: bool = False
    close_framed: bool = False
    no_phrase: bool = False
    early_hints: bool = False
    echo_headers: bool = False
    echo_body: bool = False


NONE = Faults()


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 12:
        raise ValueError("expected a number of 0 or more")
    return int(text)


def _status(text: str) -> int:
    status = _count(text)
    if not 200 <= status <= 599:
        raise ValueError("expected a status from 200 to 599")
    return status


def _hang(text: str) -> int:
    return {"headers": -1, "body": 0}[text] if text in ("headers", "body") else _count(text)


def _garbage(text: str) -> Garbage:
    return Garbage(text) if text else Garbage.WIRE


def _header(text: str) -> tuple[bytes, bytes]:
    name, colon, value = text.partition(":")
    if not name or not colon:
        raise ValueError("expected NAME:VALUE")
    return name.strip().lower().encode("latin-1"), value.strip().encode("latin-1")


def _text(text: str) -> str:
    if not text:
        raise ValueError("expected a value")
    return text


def _flag(text: str) -> bool:
    if text:
        raise ValueError("takes no value")
    return True


_FLAGS = ("no-usage", "no-done", "tool-call", "failed", "drop", "reset", "early", "gzip", "crlf")
_MORE_FLAGS = ("comments", "close-framed", "no-phrase", "uuid-ids", "echo-headers", "echo-body")
_COUNTS = ("events", "pad", "error-event", "cached", "cache-creation", "reasoning", "message-deltas")
_MORE_COUNTS = ("blank-lines", "cut", "split", "latency", "interval")
_DIRECTIVES: dict[str, tuple[str, Callable[[str], object]]] = {
    **{name: (name.replace("-", "_"), _flag) for name in (*_FLAGS, *_MORE_FLAGS)},
    **{name: (name.replace("-", "_"), _count) for name in (*_COUNTS, *_MORE_COUNTS)},
    "status": ("status", _status),
    "code": ("code", _text),
    "retry-after": ("retry_after", _text),
    "hang": ("hang", _hang),
    "garbage": ("garbage", _garbage),
    "usage": ("usage", UsagePlace),
    "1xx": ("early_hints", _flag),
}


def parse(headers: Iterable[tuple[bytes, bytes]]) -> Faults:
    """Return the directives of the `x-simulate` headers among `headers`. Raises `FaultError`."""
    values = [value for name, value in headers if name == HEADER]
    if not values:
        return NONE
    fields: dict[str, object] = {}
    added: list[tuple[bytes, bytes]] = []
    for directive in b",".join(values).decode("latin-1").split(","):
        name, _, value = directive.strip().partition("=")
        if not name and not value:
            continue
        try:
            if name == "header":
                added.append(_header(value))
                continue
            field, convert = _DIRECTIVES[name]
            fields[field] = convert(value)
        except KeyError:
            raise FaultError(f"x-simulate: there is no directive {name!r}") from None
        except ValueError as error:
            raise FaultError(f"x-simulate: {name}={value}: {error}") from None
    if added:
        fields["headers"] = tuple(added)
    return Faults(**fields)  # type: ignore[arg-type] # the table pairs each field with its converter
