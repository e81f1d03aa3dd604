"""JSON bodies of callers: the models are those that Python's decoder finds, and can be renamed."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from random import Random
from typing import ClassVar

import msgspec
from tollkeeper_server.dataplane.request.long_json import JsonPeek, read_long
from tollkeeper_server.dataplane.request.named import _LISTED, _OTHERS, _RANKS, find_named, rename_places
from tollkeeper_server.dataplane.request.peek import peek_json
from tollkeeper_server.errors import TollkeeperError

from tests.fuzz.target import Target, outcome

_WINDOW = 100
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError)
_decode = msgspec.json.Decoder(JsonPeek).decode
_SURROGATE = re.compile("[\ud800-\udfff]")  # no name that is UTF-8 has one
_PLACES = frozenset((*_RANKS, *_OTHERS))
_NAMES = [place.split(".") for place in _PLACES]
_LEADING = frozenset(".".join(names[:count]) for names in _NAMES for count in range(1, len(names) + 1))


class _Object(list[tuple[str, object]]):
    """The members of an object as they are written, those of the same name, too."""


def _expected(value: object, path: str = "", *, listed: bool = False) -> Iterator[tuple[str, str]]:
    """Yield the models below a value, each with its place, by a walk through what Python's decoder makes."""
    if isinstance(value, _Object):
        for name, inner in value:
            start = f"{path}." if path else ""
            for known in (name, name.casefold(), "*"):
                if start + known in _LEADING and not _SURROGATE.search(name):
                    yield from _expected(inner, start + known)
                    break
    elif isinstance(value, list):
        for item in value:
            yield from _expected(item, path, listed=True)
    elif isinstance(value, str) and path in _PLACES and (listed or path not in _LISTED):
        yield path, value


class Bodies(Target):
    """`dataplane/request/peek.py` and `named.py`."""

    name: ClassVar[str] = "bodies"
    words: ClassVar[Sequence[bytes]] = (
        b'"model"', b'"model":"a"', b'"models":["a","b"]', b'"fallbacks":[{"model":"c"}]', b'"session":{',
        b'"stream":true', b'"stream_options":{"include_usage":true}',
        b'"requests":[{"params":{"model":"d"}}]', b'"tools":[{"model":"e"}]', b'"extra_body":{"model":"f"}',
        b'"\\u006dodel"', b'"MODEL"', "\u017f".encode(), b"{", b"}", b"[", b"]", b",", b":", b"null",
        b"1e999", b'\\"', b"\\\\", b'"', b"\\ud800", b"NaN",
    )  # fmt: skip

    def check(self, data: bytes, random: Random) -> str:
        """Find the models, also in windows; if there are some deeper, rename them."""
        self._check_windows(data)
        try:
            peek = peek_json(data)
            named = find_named(data, has_model=peek.model is not None)
        except TollkeeperError as error:
            return outcome(error)
        try:
            data.decode()
        except UnicodeDecodeError:
            return "read, though not UTF-8 where it does not matter"
        content = json.loads(data)
        model = content.get("model")
        assert peek.model == (model if isinstance(model, str) else None)
        assert peek.streamed == (content.get("stream") is True)
        places = named.places if named is not None else ()
        assert [(it.field, it.name) for it in places] == [
            *_expected(json.loads(data, object_pairs_hook=_Object))
        ]
        if named is None:
            return f"{peek.streamed} {peek.wants_usage}"
        names = {place.name: f"other-{number}" for number, place in enumerate(named.places)}
        for place in named.places:
            assert json.loads(data[place.start : place.end]) == place.name
        renamed = rename_places(data, named, names)
        again = find_named(renamed, has_model=peek.model is not None)
        assert again is not None
        assert [it.name for it in again.places] == [names[it.name] for it in named.places]
        assert [it.field for it in again.places] == [it.field for it in named.places]
        return f"{sorted({place.field for place in named.places})}"

    def _check_windows(self, data: bytes) -> None:
        try:
            whole = _decode(data)
        except (*_FAILURES, RecursionError) as error:
            if isinstance(error, msgspec.ValidationError):
                return  # it may be told of a part of a member that is not whole in a window
            with suppress(*_FAILURES, RecursionError, TollkeeperError):
                found = read_long(data, _WINDOW)
                assert found.model == "", "it is read, though it is none"  # no model, so it is refused still
            return
        windows = read_long(data, _WINDOW)
        assert windows.stream == whole.stream
        assert type(windows.model) is type(whole.model)
        if isinstance(whole.model, str):
            assert windows.model in (whole.model, "")
            assert windows.model == whole.model or len(whole.model) > _WINDOW // 6 - 2
