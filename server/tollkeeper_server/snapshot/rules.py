"""Which of a listener's rules a request matches: path patterns and headers, compiled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tollkeeper_server.domain.listener import Rule


class RuleError(Exception):
    """A rule can't be used. `index` is its place in the list, `field` the offending one of its fields."""

    def __init__(self, index: int, field: str, why: str) -> None:
        super().__init__(f"rules[{index}].{field}: {why}")
        self.index = index
        self.field = field
        self.why = why


@dataclass(frozen=True, slots=True)
class Rules:
    """Compiled rules; `find` returns the one that counts."""

    rules: tuple[Rule, ...] = ()

    def find(self, path: str, headers: Mapping[bytes, bytes]) -> Rule | None:
        """Returns the rule that counts for an undecoded path and headers by lower-case name, or None."""
        raise NotImplementedError


def compile_rules(rules: Sequence[Rule]) -> Rules:
    """Compiles rules. Raises `RuleError`."""
    return Rules(tuple(rules))
