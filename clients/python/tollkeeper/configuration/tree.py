"""YAML as a tree of the words in the file, bounded, and without YAML's guesses at their types."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from tollkeeper.configuration.errors import ConfigurationError
from tollkeeper.messages.problems import printable

MAX_BYTES = 10_000_000
MAX_DEPTH = 64
MAX_NODES = 1_000_000
# libyaml's parser where PyYAML was built with it: it is many times as fast.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_MERGE = "<<"
_QUOTED = re.compile(r"'.*'")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A word. `is_plain` says that it was not quoted, so that `null` means that there is none."""

    text: str
    is_plain: bool
    line: int

    @property
    def is_null(self) -> bool:
        """Whether it stands for nothing."""
        return self.is_plain and self.text in _NULL


@dataclass(slots=True)
class Sequence:
    """A list."""

    line: int
    items: list["Node"] = field(default_factory=list)


@dataclass(slots=True)
class Mapping:
    """Names and their nodes. `merged` are the mappings that YAML's `<<` takes names from."""

    line: int
    entries: dict[str, "Node"] = field(default_factory=dict)
    merged: list["Mapping"] = field(default_factory=list)

    def items(self) -> Iterator[tuple[str, "Node"]]:
        """Yield the names with their nodes; its own come before those of merged mappings."""
        seen = set(self.entries)
        yield from self.entries.items()
        for source in self.merged:
            for name, node in source.items():
                if name not in seen:
                    seen.add(name)
                    yield name, node


Node = Scalar | Sequence | Mapping


def read_tree(text: str) -> Node | None:
    """Return the one document of a YAML file, or None if it holds none.

    Raises `ConfigurationError` for what is not valid, what is too large or nested too deeply, names given
    twice, and tags.
    """
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise ConfigurationError(f"the file has more than {MAX_BYTES:,} bytes")
    try:
        return _Composer().read(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        # Its own text would show the lines around, and so perhaps a secret.
        raise ConfigurationError(f"{where}not valid YAML: {_QUOTED.sub('…', error.problem or '')}") from None
    except (yaml.YAMLError, UnicodeError):
        raise ConfigurationError("not valid YAML: it has characters that may not stand in a file") from None


@dataclass(slots=True)
class _Open:
    """A list or mapping of which more is to come. `name` is the one that a value is awaited for.

    `nodes` and `depth` are those of what it holds so far, itself included.
    """

    node: Sequence | Mapping
    anchor: str | None
    name: str | None = None
    nodes: int = 1
    depth: int = 1


class _Composer:
    """Builds a tree from the parser's events. Nodes that aliases repeat count as if written out."""

    def __init__(self) -> None:
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int, int]] = {}
        self._root: Node | None = None

    def read(self, text: str) -> Node | None:
        for event in yaml.parse(text, Loader=_LOADER):
            line = event.start_mark.line + 1 if event.start_mark else 0
            if isinstance(event, yaml.DocumentStartEvent) and self._root is not None:
                raise ConfigurationError(f"line {line}: another document begins; a file holds one")
            if isinstance(event, yaml.NodeEvent):
                self._node(event, line)
            elif isinstance(event, yaml.CollectionEndEvent):
                done = self._stack.pop()
                self._add(done.node, done.nodes, done.depth, done.anchor, line)
        root = self._root
        return None if isinstance(root, Scalar) and root.is_null else root

    def _node(self, event: yaml.NodeEvent, line: int) -> None:
        if isinstance(event, yaml.AliasEvent):
            found = self._anchors.get(event.anchor or "")
            if found is None:
                raise ConfigurationError(f"line {line}: an alias (*) of what does not stand before it")
            self._add(*found, None, line)
            return
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent), "there are no other nodes"
        tag = event.tag
        if tag not in {None, "!"}:
            raise ConfigurationError(f"line {line}: tags (!) have no meaning here; leave it out")
        if isinstance(event, yaml.ScalarEvent):
            is_plain = not event.style and tag is None
            self._add(Scalar(event.value, is_plain, line), 1, 0, event.anchor, line)
        else:
            if len(self._stack) == MAX_DEPTH:
                raise _too_deep(line)
            is_sequence = isinstance(event, yaml.SequenceStartEvent)
            self._stack.append(_Open(Sequence(line) if is_sequence else Mapping(line), event.anchor))

    def _add(self, node: Node, nodes: int, depth: int, anchor: str | None, line: int) -> None:
        """Put a finished node where it belongs. `nodes` are in it, up to `depth` levels deep."""
        if anchor is not None:
            self._anchors[anchor] = node, nodes, depth
        if not self._stack:
            self._root = node
            return
        parent = self._stack[-1]
        if len(self._stack) + depth > MAX_DEPTH:
            raise _too_deep(line)
        parent.depth = max(parent.depth, depth + 1)
        parent.nodes += nodes
        if parent.nodes > MAX_NODES:
            raise ConfigurationError(
                f"line {line}: more than {MAX_NODES:,} entries, with what aliases repeat"
            )
        if isinstance(parent.node, Sequence):
            parent.node.items.append(node)
        elif parent.name is None:
            parent.name = _name(node, parent.node, line)
        else:
            if parent.name == _MERGE:
                parent.node.merged = _sources(node, line)
            else:
                parent.node.entries[parent.name] = node
            parent.name = None


def _too_deep(line: int) -> ConfigurationError:
    return ConfigurationError(f"line {line}: nested more than {MAX_DEPTH} levels deep")


def _name(node: Node, mapping: Mapping, line: int) -> str:
    if not isinstance(node, Scalar):
        raise ConfigurationError(f"line {line}: a name must be one word")
    if node.text in mapping.entries or (node.text == _MERGE and mapping.merged):
        raise ConfigurationError(f"line {line}: {printable(node.text)} is given twice")
    return node.text


def _sources(node: Node, line: int) -> list[Mapping]:
    wanted = node.items if isinstance(node, Sequence) else [node]
    found = [it for it in wanted if isinstance(it, Mapping)]
    if len(found) < len(wanted):
        raise ConfigurationError(f"line {line}: << takes a mapping, or a list of them")
    return found
