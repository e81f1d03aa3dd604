"""Which of a listener's rules a request matches: path patterns and headers, compiled.

Of the rules that match, the one counts that comes first by this order: those with a path before those
without, then as patterns are ordered (paths.py), then those with a header before those without, then as
they were given.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tollkeeper_server.domain.listener import Rule
from tollkeeper_server.snapshot.paths import Kind, Pattern, check_text, parse_pattern, read_path
from tollkeeper_server.snapshot.regexes import Compiler, Regexes

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class RuleError(Exception):
    """A rule can't be used. `index` is its place in the list, `field` the offending one of its fields."""

    def __init__(self, index: int, field: str, why: str) -> None:
        super().__init__(f"rules[{index}].{field}: {why}")
        self.index = index
        self.field = field
        self.why = why


@dataclass(frozen=True, slots=True)
class Rules:
    """Compiled rules; `find` returns the one that counts. Raises `RuleError`."""

    rules: tuple[Rule, ...] = ()
    _index: "_Index" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", _Index(self.rules))

    def find(self, path: str, headers: Mapping[bytes, bytes]) -> Rule | None:
        """Returns the rule that counts for an undecoded path and headers by lower-case name, or None.

        The path begins with a slash, has no query, and is read as `read_path` says.
        """
        return self._index.find(path, headers)


def compile_rules(rules: Sequence[Rule]) -> Rules:
    """Compiles rules. Raises `RuleError`."""
    return Rules(tuple(rules))


class _Values:
    """What rules of the same path want of one header. Rules go by their ranks here, the first being 0."""

    __slots__ = ("_exact", "_present", "_ranks", "_regexes")

    def __init__(self, none: int) -> None:
        self._exact: dict[bytes, int] = {}
        self._present = none
        self._ranks: list[int] = []
        self._regexes = Regexes()

    def add(self, rank: int, rule: Rule) -> None:
        """Adds a rule; ranks only grow."""
        if rule.pattern:
            if self._regexes.add(rule.pattern) == len(self._ranks):
                self._ranks.append(rank)
        elif rule.value:
            self._exact.setdefault(rule.value.encode(), rank)
        else:
            self._present = min(self._present, rank)

    def seal(self, compiler: Compiler) -> None:
        """Must be called once, after the last rule."""
        self._regexes.seal(compiler)

    def first(self, value: bytes) -> int:
        """Returns the least rank of those that a value suits."""
        best = min(self._present, self._exact.get(value, self._present))
        if self._ranks:
            found = self._regexes.matching(value.decode("utf-8", "replace"))
            if found:
                best = min(best, self._ranks[found[0]])
        return best


class _Choice:
    """Rules of the same path, told apart by headers."""

    __slots__ = ("_none", "_otherwise", "_values")

    def __init__(self, none: int) -> None:
        self._none = none
        self._otherwise = none
        self._values: dict[bytes, _Values] = {}

    def add(self, rank: int, rule: Rule) -> None:
        """Adds a rule; ranks only grow."""
        if rule.header:
            name = rule.header.lower().encode()
            self._values.setdefault(name, _Values(self._none)).add(rank, rule)
        else:
            self._otherwise = min(self._otherwise, rank)

    def seal(self, compiler: Compiler) -> None:
        """Must be called once, after the last rule."""
        for values in self._values.values():
            values.seal(compiler)

    def first(self, headers: Mapping[bytes, bytes]) -> int:
        """Returns the least rank of those that the headers suit."""
        best = self._otherwise
        wanted = self._values
        if wanted:
            for name in wanted if len(wanted) <= len(headers) else headers:
                values, value = wanted.get(name), headers.get(name)
                if values is not None and value is not None:
                    best = min(best, values.first(value))
        return best


class _Node:
    """What may follow after some segments of a path. `best` is the least rank of all below."""

    __slots__ = ("any", "best", "constrained", "ends", "goes_on", "regexes", "static")

    def __init__(self, best: int) -> None:
        self.best = best
        self.static: dict[str, _Node] = {}
        self.regexes = Regexes()
        self.constrained: list[_Node] = []
        self.any: _Node | None = None
        self.ends: _Choice | None = None
        self.goes_on: _Choice | None = None

    def child(self, kind: Kind, text: str, rank: int) -> "_Node":
        """Returns the node after another segment."""
        match kind:
            case Kind.STATIC:
                return self.static.setdefault(text, _Node(rank))
            case Kind.CONSTRAINED:
                number = self.regexes.add(text)
                if number == len(self.constrained):
                    self.constrained.append(_Node(rank))
                return self.constrained[number]
            case Kind.NAMED | Kind.ANY:
                self.any = self.any or _Node(rank)
                return self.any

    def seal(self, compiler: Compiler) -> None:
        """Must be called once, after the last rule."""
        self.regexes.seal(compiler)
        for choice in (self.ends, self.goes_on):
            if choice is not None:
                choice.seal(compiler)
        for node in (*self.static.values(), *self.constrained, *([self.any] if self.any else [])):
            node.seal(compiler)


class _Index:
    """Rules by rank, and how to come to them: static paths by name, all others from segment to segment."""

    __slots__ = ("_anywhere", "_none", "_ordered", "_root", "_static")

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        compiler = Compiler()
        patterns = [_check(number, rule, compiler) for number, rule in enumerate(rules)]
        ranked = sorted(range(len(rules)), key=lambda number: _order(rules[number], patterns[number]))
        self._none = len(rules)
        self._ordered = tuple(rules[number] for number in ranked)
        self._static: dict[str, _Choice] = {}
        self._root = _Node(self._none)
        self._anywhere = _Choice(self._none)
        for rank, number in enumerate(ranked):
            self._choice(patterns[number], rank).add(rank, rules[number])
        for choice in (*self._static.values(), self._anywhere):
            choice.seal(compiler)
        self._root.seal(compiler)

    def _choice(self, pattern: Pattern | None, rank: int) -> _Choice:
        if pattern is None:
            return self._anywhere
        if pattern.is_static:
            path = "".join(f"/{segment.text}" for segment in pattern.segments)
            return self._static.setdefault(path, _Choice(self._none))
        node = self._root
        node.best = min(node.best, rank)
        for segment in pattern.segments:
            node = node.child(segment.kind, segment.text, rank)
        if pattern.has_rest:
            node.goes_on = node.goes_on or _Choice(self._none)
            return node.goes_on
        node.ends = node.ends or _Choice(self._none)
        return node.ends

    def find(self, path: str, headers: Mapping[bytes, bytes]) -> Rule | None:
        """Returns the rule that counts."""
        if "%" in path or "//" in path:
            path = read_path(path)
        none = self._none
        rank = none
        end = path.rstrip("/")
        choice = self._static.get(end)
        if choice is not None:
            rank = choice.first(headers)
        if rank == none and self._root.best < none:
            rank = self._walk(end.split("/"), headers, goes_on=path.endswith("/"))
        if rank == none:
            rank = self._anywhere.first(headers)
        return self._ordered[rank] if rank < none else None

    def _walk(self, segments: list[str], headers: Mapping[bytes, bytes], *, goes_on: bool) -> int:
        best = self._none
        # The first is what stands before the slash: nothing.
        last = len(segments) - 1
        waiting = [(self._root, 0)]
        while waiting:
            node, at = waiting.pop()
            if node.best >= best:
                continue
            if node.goes_on is not None and (at < last or goes_on):
                best = min(best, node.goes_on.first(headers))
            if at == last:
                if node.ends is not None:
                    best = min(best, node.ends.first(headers))
                continue
            at += 1
            segment = segments[at]
            # The last to be put down is the first to be taken up.
            if node.any is not None:
                waiting.append((node.any, at))
            if node.constrained:
                found = reversed(node.regexes.matching(segment))
                waiting.extend((node.constrained[number], at) for number in found)
            static = node.static.get(segment)
            if static is not None:
                waiting.append((static, at))
        return best


def _order(rule: Rule, pattern: Pattern | None) -> tuple[bool, tuple[int, ...], bool]:
    return pattern is None, () if pattern is None else pattern.order, not rule.header


def _check(number: int, rule: Rule, compiler: Compiler) -> Pattern | None:
    """Returns a rule's path, read. Raises `RuleError`."""
    name = "path"
    try:
        pattern = _check_path(rule, compiler)
        name = "header"
        _check_header(rule)
        name = "value"
        check_text(rule.value)
        name = "pattern"
        _check_pattern(rule, compiler)
        name = "strip_prefix"
        _check_prefix(rule)
    except ValueError as error:
        raise RuleError(number, name, str(error)) from error
    return pattern


def _check_path(rule: Rule, compiler: Compiler) -> Pattern | None:
    if not rule.path:
        if not rule.header:
            raise ValueError("give path or header")
        return None
    pattern = parse_pattern(rule.path)
    for segment in pattern.segments:
        if segment.kind is Kind.CONSTRAINED:
            compiler.check(segment.text)
    return pattern


def _check_header(rule: Rule) -> None:
    if rule.header and not _HEADER_NAME.fullmatch(rule.header):
        raise ValueError("is not the name of a header")
    if not rule.header and (rule.value or rule.pattern):
        raise ValueError("is needed for value and for pattern")


def _check_pattern(rule: Rule, compiler: Compiler) -> None:
    if rule.pattern:
        if rule.value:
            raise ValueError("excludes value; give one of them")
        check_text(rule.pattern)
        compiler.check(rule.pattern)


def _check_prefix(rule: Rule) -> None:
    if rule.strip_prefix and not parse_pattern(rule.strip_prefix).is_static:
        raise ValueError("must be a path without parameters")
