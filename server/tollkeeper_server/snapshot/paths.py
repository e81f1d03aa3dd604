"""Path patterns: how they are written, which of two is more specific, and how a path is read for them.

A pattern is a path whose segments are static text, `:name` (any segment), `{name:regex}` (a segment all of
which the regular expression matches), `*` (any segment) or, as the last, `*` (the rest, which may be empty:
`/files/*` matches `/files/` and `/files/a/b`, but not `/files`). A slash at the end makes no difference else.
"""

import re
from dataclasses import dataclass
from enum import Enum
from urllib.parse import unquote

MAX_SEGMENTS = 64
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# What matters to the balance of braces: an escape, a class of characters, a brace.
_BRACES = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[{}]")


class Kind(Enum):
    """What a segment of a pattern stands for."""

    STATIC = "static"
    CONSTRAINED = "constrained"
    NAMED = "named"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment. `text` is what a static one is, or the regular expression of a constrained one."""

    kind: Kind
    text: str = ""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern, read. `has_rest` tells whether a `*` at the end stands for any more segments."""

    segments: tuple[Segment, ...]
    has_rest: bool

    @property
    def is_static(self) -> bool:
        """Whether it matches one path only."""
        return not self.has_rest and self._count(Kind.STATIC) == len(self.segments)

    @property
    def order(self) -> tuple[int, ...]:
        """Less for what comes first.

        A static pattern before any other, then the one with more static segments, more constrained
        parameters, more named ones, more segments, more static text.
        """
        return (
            not self.is_static,
            -self._count(Kind.STATIC),
            -self._count(Kind.CONSTRAINED),
            -self._count(Kind.NAMED),
            -len(self.segments) - self.has_rest,
            -sum(len(segment.text) for segment in self.segments if segment.kind is Kind.STATIC),
        )

    def _count(self, kind: Kind) -> int:
        return sum(segment.kind is kind for segment in self.segments)


def read_path(path: str) -> str:
    """Returns a path as patterns see it: percent-decoded once, without doubled slashes.

    Most servers take these spellings for the same path, so that none of them gets a request round a rule;
    an encoded slash therefore parts segments. Case matters, and a slash at the end stays.
    """
    if "%" in path:
        path = unquote(path, errors="replace")
    while "//" in path:
        path = path.replace("//", "/")
    return path


def check_text(text: str) -> None:
    """Raises ValueError if there are control characters."""
    if _CONTROL.search(text):
        raise ValueError("has control characters, such as a line break; take them out")


def parse_pattern(text: str) -> Pattern:
    """Reads a pattern. Raises ValueError saying what is wrong; regular expressions are not checked."""
    check_text(text)
    if not text.startswith("/"):
        raise ValueError("must begin with a slash")
    parts = text[1:].removesuffix("/").split("/") if text != "/" else []
    if len(parts) > MAX_SEGMENTS:
        raise ValueError(f"has {len(parts)} segments; {MAX_SEGMENTS} are the most")
    has_rest = parts[-1:] == ["*"]
    if has_rest:
        parts.pop()
    names: set[str] = set()
    return Pattern(tuple(_segment(part, names) for part in parts), has_rest)


def _segment(part: str, names: set[str]) -> Segment:
    if part == "*":
        return Segment(Kind.ANY)
    if part.startswith(":"):
        _add_name(part[1:], part, names)
        return Segment(Kind.NAMED)
    if part.startswith("{"):
        return _constrained(part, names)
    return Segment(Kind.STATIC, _static(part))


def _constrained(part: str, names: set[str]) -> Segment:
    depth = 0
    for found in _BRACES.finditer(part):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if depth == 0 and found.end() < len(part) and found[0] == "}":
            raise ValueError(f"{part!r}: a parameter must be a whole segment")
    if depth or not part.endswith("}"):
        raise ValueError(f"{part!r}: braces are not balanced, or there is a slash between them")
    name, colon, regex = part[1:-1].partition(":")
    if not colon or not regex:
        raise ValueError(f"{part!r}: no regular expression; write {{name:regex}}, or :name for any segment")
    _add_name(name, part, names)
    return Segment(Kind.CONSTRAINED, regex)


def _add_name(name: str, part: str, names: set[str]) -> None:
    if not name:
        raise ValueError(f"{part!r}: the parameter has no name")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{part!r}: names of parameters have letters, digits, _ and -")
    if name in names:
        raise ValueError(f"two parameters are called {name}")
    names.add(name)


def _static(part: str) -> str:
    if "*" in part:
        raise ValueError(f"{part!r}: a * must be a whole segment, alone")
    if "{" in part or "}" in part:
        raise ValueError(f"{part!r}: braces are not balanced, or begin within a segment")
    if "?" in part or "#" in part or "\\" in part:
        raise ValueError(f"{part!r}: paths have no ?, # or backslash; a query is not part of them")
    plain = unquote(part, errors="replace")
    check_text(plain)
    if not plain:
        raise ValueError("has an empty segment; slashes are not doubled")
    if plain in {".", ".."}:
        raise ValueError(f"{part!r}: requests with dot segments are refused, so it would never match")
    if "/" in plain:
        raise ValueError(f"{part!r}: an encoded slash parts segments; write a slash")
    return plain
