"""Path patterns: their syntax, their order from specific to general, and the normal form of paths.

A pattern is a path whose segments are static text, `:name` (any segment), `{name:regex}` (a segment that the
regular expression matches as a whole) or `*` (any segment). A `*` at the end is the rest, which may be empty:
`/files/*` matches `/files/` and `/files/a/b`, but not `/files`. Otherwise a slash at the end is ignored.
"""

import re
from dataclasses import dataclass
from enum import Enum
from urllib.parse import unquote

MAX_SEGMENTS = 64
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# The parts that the check for balanced braces reads: an escape, a class of characters, a brace.
_BRACES = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[{}]")


class Kind(Enum):
    """The kind of a pattern's segment."""

    STATIC = "static"
    CONSTRAINED = "constrained"
    NAMED = "named"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment. `text` is the text of a static one, or the regular expression of a constrained one."""

    kind: Kind
    text: str = ""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed pattern. `has_rest` is true if it ends in a `*`, which matches any further segments."""

    segments: tuple[Segment, ...]
    has_rest: bool

    @property
    def is_static(self) -> bool:
        """Whether the pattern matches one path only."""
        return not self.has_rest and self._count(Kind.STATIC) == len(self.segments)

    @property
    def order(self) -> tuple[int, ...]:
        """The sort key: the more specific of two patterns sorts first.

        A static pattern sorts before any other. Then the pattern sorts first that has more static segments,
        more constrained parameters, more named ones, more segments, more static text.
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
    """Return a path in the form that patterns match: percent-decoded once, without doubled slashes.

    Most servers treat these spellings as the same path, so a request must not evade a rule by one of them.
    An encoded slash therefore separates segments. Case matters, and a slash at the end stays.
    """
    if "%" in path:
        path = unquote(path, errors="replace")
    while "//" in path:
        path = path.replace("//", "/")
    return path


def check_text(text: str) -> None:
    """Raise ValueError if a text has control characters."""
    if _CONTROL.search(text):
        raise ValueError("has control characters, such as a line break; remove them")


def parse_pattern(text: str) -> Pattern:
    """Return the parsed pattern. Raises ValueError; regular expressions are not checked."""
    check_text(text)
    if not text.startswith("/"):
        raise ValueError("must begin with a slash")
    parts = text[1:].removesuffix("/").split("/") if text != "/" else []
    if len(parts) > MAX_SEGMENTS:
        raise ValueError(f"has {len(parts)} segments; at most {MAX_SEGMENTS} are allowed")
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
        raise ValueError(f"{part!r}: a * must be a whole segment")
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
        raise ValueError(f"{part!r}: an encoded slash separates segments; write a slash")
    return plain
