"""Which names are of a model: clauses, each a sign and a text.

`=` is the name itself, `^` its beginning, `$` its end, `*` a part of it, `~` a regular expression that is
searched for. A list of clauses suits if all of them do. Names are compared in lower case.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

Clause = str | list[str]
# A date without hyphens, as LiteLLM and OpenRouter write it.
_COMPACT_DATE = re.compile(r"-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")


def suits(clauses: Iterable[Clause], name: str) -> bool:
    """Return whether one of the clauses suits a name in lower case."""
    return any(
        _suits(clause, name) if isinstance(clause, str) else all(_suits(it, name) for it in clause)
        for clause in clauses
    )


def _suits(clause: str, name: str) -> bool:
    text = clause[1:]
    match clause[0]:
        case "=":
            return name == text
        case "^":
            return name.startswith(text)
        case "$":
            return name.endswith(text)
        case "*":
            return text in name
        case _:
            return re.search(text, name) is not None


class Names:
    """The names of models, in an order: the first model that a name suits has it."""

    __slots__ = ("_exact", "_rest")

    def __init__(self, models: Sequence[Sequence[Clause]]) -> None:
        exact: dict[str, int] = {}
        rest: list[tuple[int, list[Clause]]] = []
        for index, clauses in enumerate(models):
            for clause in clauses:
                if isinstance(clause, str) and clause.startswith("="):
                    exact.setdefault(clause[1:], index)
            others = [it for it in clauses if not (isinstance(it, str) and it.startswith("="))]
            if others:
                rest.append((index, others))
        self._exact: Mapping[str, int] = exact
        self._rest = tuple(rest)

    def find(self, name: str) -> int | None:
        """Return the index of the first model that a name in lower case suits; None if none does."""
        found = self._exact.get(name)
        for index, clauses in self._rest:
            if found is not None and index > found:
                break
            if suits(clauses, name):
                return index
        return found


def with_hyphens(name: str) -> str:
    """Return a name with its date, if it has one, as `2025-12-11`."""
    return _COMPACT_DATE.sub(r"-\1-\2-\3", name)
