"""JSON as the tree that YAML files are read into."""

import json

from tollkeeper.configuration.errors import ConfigurationError
from tollkeeper.configuration.tree import MAX_BYTES, MAX_DEPTH, Mapping, Node, Scalar, Sequence

_Json = str | int | float | bool | None | list["_Json"] | dict[str, "_Json"]


def read_json(text: str) -> Node:
    """Return a JSON document's content. Raises `ConfigurationError`."""
    if len(text) > MAX_BYTES:
        raise ConfigurationError(f"the file has more than {MAX_BYTES:,} bytes")
    try:
        return _node(json.loads(text), 0)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigurationError(f"{where}: not valid JSON: {error.msg}") from None
    except RecursionError:
        raise _too_deep() from None


def _node(value: _Json, depth: int) -> Node:
    if depth > MAX_DEPTH:
        raise _too_deep()
    if isinstance(value, list):
        return Sequence(0, [_node(item, depth + 1) for item in value])
    if isinstance(value, dict):
        return Mapping(0, {name: _node(item, depth + 1) for name, item in value.items()})
    if isinstance(value, str):
        return Scalar(value, False, 0)
    return Scalar(json.dumps(value), True, 0)


def _too_deep() -> ConfigurationError:
    return ConfigurationError(f"nested more than {MAX_DEPTH} levels deep")
