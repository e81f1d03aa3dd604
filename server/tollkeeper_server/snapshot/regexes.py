"""Regular expressions of RE2's: the time they take is linear, and all of a set are asked at once."""

import re2

# RE2 takes some 24 bytes for each instruction. The sum bounds what the rules of a listener take.
_REGEX_BYTES = 1 << 18
_MAX_INSTRUCTIONS = 500_000
# So much that the states of a set of regular expressions always fit.
_SET_BYTES = 1 << 20
_SET_BYTES_EACH = 512


class Regexes:
    """Regular expressions that are asked at once, in time that does not depend on their number."""

    __slots__ = ("_patterns", "_set")

    def __init__(self) -> None:
        self._patterns: dict[str, int] = {}
        self._set: re2.Set | None = None

    def add(self, pattern: str) -> int:
        """Returns the number by which `matching` tells of it."""
        return self._patterns.setdefault(pattern, len(self._patterns))

    def seal(self, compiler: "Compiler") -> None:
        """Compiles them."""
        if self._patterns:
            self._set = compiler.make_set(tuple(self._patterns))

    def matching(self, text: str) -> list[int]:
        """Returns the numbers of those that match all of a text, the least first."""
        if self._set is None:
            return []
        found: list[int] | None = self._set.Match(text)
        return sorted(found) if found else []


class Compiler:
    """Compiles regular expressions, each once."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}
        self._total = 0
        self._sets: dict[tuple[str, ...], re2.Set] = {}

    def check(self, pattern: str) -> None:
        """Raises ValueError if a regular expression can't be used."""
        if pattern in self._sizes:
            return
        try:
            size: int = re2.compile(pattern, _options(_REGEX_BYTES)).programsize
        except re2.error as error:
            why = error.args[0]
            text = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
            raise ValueError(f"not a regular expression of RE2's: {text}") from error
        self._total += size
        if self._total > _MAX_INSTRUCTIONS:
            raise ValueError("with those before it, regular expressions are too large; use simpler ones")
        self._sizes[pattern] = size

    def make_set(self, patterns: tuple[str, ...]) -> re2.Set:
        """Returns the set of some that were checked."""
        found = self._sets.get(patterns)
        if found is None:
            size = sum(self._sizes[pattern] for pattern in patterns)
            found = re2.Set.FullMatchSet(_options(_SET_BYTES + _SET_BYTES_EACH * size))
            for pattern in patterns:
                found.Add(pattern)
            found.Compile()
            self._sets[patterns] = found
        return found


def _options(max_mem: int) -> re2.Options:
    options = re2.Options()
    options.max_mem = max_mem
    options.log_errors = False
    options.never_capture = True
    options.dot_nl = True  # a line break, percent-encoded, must not get a segment round `.+`
    return options
