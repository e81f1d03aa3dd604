"""llmproxy's own first example has a name beside the list entry that it belongs to, which YAML does not take.

upstream_groups:
    - name: "main"
      upstreams: …
    http_client: …
"""

import re

_NAME = re.compile(r"( +)[A-Za-z_][A-Za-z0-9_]*:(?: |$)")
_BLANK = re.compile(r"\s*(?:#.*)?")


def indent_strays(text: str) -> tuple[str, list[int]]:
    """Return the text with such names, and what is below them, moved into the entry; and their lines."""
    lines = text.split("\n")
    moved = []
    for at, line in enumerate(lines):
        named = _NAME.match(line)
        if named and _is_stray(lines, at, len(named[1])):
            moved.append(at + 1)
            _move(lines, at, len(named[1]))
    return "\n".join(lines), moved


def _is_stray(lines: list[str], at: int, depth: int) -> bool:
    """Return whether a name stands where the entries of a list before it do that is inside of something."""
    saw_entry = False
    for line in reversed(lines[:at]):
        here = len(line) - len(line.lstrip(" "))
        if _BLANK.fullmatch(line) or here > depth:
            continue
        if here < depth:
            return saw_entry
        if not line.startswith("- ", depth):
            return False
        saw_entry = True
    return False


def _move(lines: list[str], at: int, depth: int) -> None:
    for number in range(at, len(lines)):
        line = lines[number]
        if number > at and not _BLANK.fullmatch(line):
            here = len(line) - len(line.lstrip(" "))
            if here < depth or (here == depth and line.startswith("- ", depth)):
                return
        lines[number] = f"  {line}" if line.strip() else line
