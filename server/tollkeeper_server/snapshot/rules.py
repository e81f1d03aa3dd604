"""The rules of a listener, compiled into an index that finds the rule for a request.

Of the rules that match, the first one in this order applies: rules with a path before rules without, then
by the order of patterns (paths.py), then rules with a header before rules without, then the earlier rule.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tollkeeper_server.domain.listener import Rule
from tollkeeper_server.snapshot.paths import Kind, Pattern, check_text, parse_pattern, read_path
from tollkeeper_server.snapshot.regexes import Compiler, Regexes

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class RuleError(Exception):
    """A rule can't be used. `index` is its index in the list, `field` the field that is wrong."""

    def __init__(self, index: int, field: str, why: str) -> None:
        super().__init__(f"rules[{index}].{field}: {why}")
        self.index = index
        self.field = field
        self.why = why


@dataclass(frozen=True, slots=True)
class Rules:
    """Compiled rules; `find` returns the rule that applies. Raises `RuleError`."""

    rules: tuple[Rule, ...] = ()
    _index: "_Index" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", _Index(self.rules))

    def find(self, path: str, headers: Mapping[bytes, bytes]) -> Rule | None:
        """Return the rule that applies, or None. The names of `headers` are lower-case.

        The path begins with a slash, is still percent-encoded, and has no query.
        """
        return self._index.find(path, headers)


def compile_rules(rules: Sequence[Rule]) -> Rules:
    """Compile rules. Raises `RuleError`."""
    return Rules(tuple(rules))


class _HeaderValues:
    """The conditions that rules of one path set for one header.

    A rule is known by its rank, its index in the order of all rules: the least rank applies.
    """

    __slots__ = ("_exact", "_present", "_ranks", "_regexes")

    def __init__(self, none: int) -> None:
        self._exact: dict[bytes, int] = {}
        self._present = none
        self._ranks: list[int] = []
        self._regexes = Regexes()

    def add(self, rank: int, rule: Rule) -> None:
        """Add a rule; call this in the order of ranks."""
        if rule.pattern:
            if self._regexes.add(rule.pattern) == len(self._ranks):
                self._ranks.append(rank)
        elif rule.value:
            self._exact.setdefault(rule.value.encode(), rank)
        else:
            self._present = min(self._present, rank)

    def seal(self, compiler: Compiler) -> None:
        """Compile the regular expressions; call this once, after the last rule."""
        self._regexes.seal(compiler)

    def first(self, value: bytes) -> int:
        """Return the least rank of the rules that match a value."""
        best = min(self._present, self._exact.get(value, self._present))
        if self._ranks:
            found = self._regexes.matching(value.decode("utf-8", "replace"))
            if found:
                best = min(best, self._ranks[found[0]])
        return best


class _PathRules:
    """The rules of one path, by the header that they require."""

    __slots__ = ("_none", "_otherwise", "_values")

    def __init__(self, none: int) -> None:
        self._none = none
        self._otherwise = none
        self._values: dict[bytes, _HeaderValues] = {}

    def add(self, rank: int, rule: Rule) -> None:
        """Add a rule; call this in the order of ranks."""
        if rule.header:
            name = rule.header.lower().encode()
            self._values.setdefault(name, _HeaderValues(self._none)).add(rank, rule)
        else:
            self._otherwise = min(self._otherwise, rank)

    def seal(self, compiler: Compiler) -> None:
        """Compile the regular expressions; call this once, after the last rule."""
        for values in self._values.values():
            values.seal(compiler)

    def first(self, headers: Mapping[bytes, bytes]) -> int:
        """Return the least rank of the rules that match the headers."""
        best = self._otherwise
        wanted = self._values
        if wanted:
            for name in wanted if len(wanted) <= len(headers) else headers:
                values, value = wanted.get(name), headers.get(name)
                if values is not None and value is not None:
                    best = min(best, values.first(value))
        return best


class _Node:
    """A node of the tree of patterns: its children by the next segment of the path.

    `exact` are the rules of the pattern that ends here, `rest` those of the pattern that ends here in a `*`
    for the rest. `best` is the least rank in this node and below.
    """

    __slots__ = ("any", "best", "constrained", "exact", "regexes", "rest", "static")

    def __init__(self, best: int) -> None:
        self.best = best
        self.static: dict[str, _Node] = {}
        self.regexes = Regexes()
        self.constrained: list[_Node] = []
        self.any: _Node | None = None
        self.exact: _PathRules | None = None
        self.rest: _PathRules | None = None

    def child(self, kind: Kind, text: str, rank: int) -> "_Node":
        """Return the child for a segment, which is made if it is new."""
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
        """Compile the regular expressions; call this once, after the last rule."""
        self.regexes.seal(compiler)
        for path_rules in (self.exact, self.rest):
            if path_rules is not None:
                path_rules.seal(compiler)
        for node in (*self.static.values(), *self.constrained, *([self.any] if self.any else [])):
            node.seal(compiler)


class _Index:
    """Finds rules: static paths in a dictionary, all others in a tree of segments."""

    __slots__ = ("_none", "_ordered", "_pathless", "_root", "_static")

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        compiler = Compiler()
        patterns = [_check(number, rule, compiler) for number, rule in enumerate(rules)]
        ranked = sorted(range(len(rules)), key=lambda number: _order(rules[number], patterns[number]))
        self._none = len(rules)
        self._ordered = tuple(rules[number] for number in ranked)
        self._static: dict[str, _PathRules] = {}
        self._root = _Node(self._none)
        self._pathless = _PathRules(self._none)
        for rank, number in enumerate(ranked):
            self._path_rules(patterns[number], rank).add(rank, rules[number])
        for path_rules in (*self._static.values(), self._pathless):
            path_rules.seal(compiler)
        self._root.seal(compiler)

    def _path_rules(self, pattern: Pattern | None, rank: int) -> _PathRules:
        if pattern is None:
            return self._pathless
        if pattern.is_static:
            path = "".join(f"/{segment.text}" for segment in pattern.segments)
            return self._static.setdefault(path, _PathRules(self._none))
        node = self._root
        node.best = min(node.best, rank)
        for segment in pattern.segments:
            node = node.child(segment.kind, segment.text, rank)
        if pattern.has_rest:
            node.rest = node.rest or _PathRules(self._none)
            return node.rest
        node.exact = node.exact or _PathRules(self._none)
        return node.exact

    def find(self, path: str, headers: Mapping[bytes, bytes]) -> Rule | None:
        """Return the rule that applies, or None."""
        if "%" in path or "//" in path:
            path = read_path(path)
        none = self._none
        rank = none
        end = path.rstrip("/")
        path_rules = self._static.get(end)
        if path_rules is not None:
            rank = path_rules.first(headers)
        if rank == none and self._root.best < none:
            rank = self._walk(end.split("/"), headers, trailing_slash=path.endswith("/"))
        if rank == none:
            rank = self._pathless.first(headers)
        return self._ordered[rank] if rank < none else None

    def _walk(self, segments: list[str], headers: Mapping[bytes, bytes], *, trailing_slash: bool) -> int:
        best = self._none
        # The first of the segments is the empty text before the leading slash.
        last = len(segments) - 1
        waiting = [(self._root, 0)]
        while waiting:
            node, at = waiting.pop()
            if node.best >= best:
                continue
            if node.rest is not None and (at < last or trailing_slash):
                best = min(best, node.rest.first(headers))
            if at == last:
                if node.exact is not None:
                    best = min(best, node.exact.first(headers))
                continue
            at += 1
            segment = segments[at]
            # The node that is pushed last is visited first: it has the most specific segment.
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
    """Return the parsed path of a rule. Raises `RuleError`."""
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
            raise ValueError("give a path or a header")
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
