"""RE2's regular expressions: matching takes linear time, and a set is matched in one pass."""

import re2

# RE2 uses about 24 bytes for each instruction. The sum limits the memory of a listener's rules.
_REGEX_BYTES = 1 << 18
_MAX_INSTRUCTIONS = 500_000
# Enough memory for all the states of a set of regular expressions.
_SET_BYTES = 1 << 20
_SET_BYTES_EACH = 512


class Regexes:
    """Regular expressions that are matched in one pass, in time that does not depend on their number."""

    __slots__ = ("_patterns", "_set")

    def __init__(self) -> None:
        self._patterns: dict[str, int] = {}
        self._set: re2.Set | None = None

    def add(self, pattern: str) -> int:
        """Add a regular expression, unless it was added before; return its number for `matching`."""
        return self._patterns.setdefault(pattern, len(self._patterns))

    def seal(self, compiler: "Compiler") -> None:
        """Compile the regular expressions; call this once, after the last `add`."""
        if self._patterns:
            self._set = compiler.make_set(tuple(self._patterns))

    def matching(self, text: str) -> list[int]:
        """Return the numbers of those that match the whole text, in ascending order."""
        if self._set is None:
            return []
        found: list[int] | None = self._set.Match(text)
        return sorted(found) if found else []


class Compiler:
    """Compiles the regular expressions of one listener, each once."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}
        self._total = 0
        self._sets: dict[tuple[str, ...], re2.Set] = {}

    def check(self, pattern: str) -> None:
        """Raise ValueError if a regular expression can't be used."""
        if pattern in self._sizes:
            return
        try:
            size: int = re2.compile(pattern, _options(_REGEX_BYTES)).programsize
        except re2.error as error:
            why = error.args[0]
            text = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
            raise ValueError(f"not a regular expression that RE2 accepts: {text}") from error
        self._total += size
        if self._total > _MAX_INSTRUCTIONS:
            raise ValueError("the listener's regular expressions are too large together; use simpler ones")
        self._sizes[pattern] = size

    def make_set(self, patterns: tuple[str, ...]) -> re2.Set:
        """Return the set of these regular expressions, which were checked before."""
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
    options.dot_nl = True  # a percent-encoded line break must not evade `.+`
    return options
