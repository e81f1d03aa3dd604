"""Variables such as LLMPROXY_UPSTREAMS__0__AUTH__TOKEN, which override what stands in llmproxy's file."""

from collections.abc import Mapping as Variables

from tollkeeper.configuration.tree import Mapping, Node, Scalar, Sequence

_PREFIX = "LLMPROXY_"
_SECRETS = frozenset({"token", "password"})


def override(root: Node | None, environment: Variables[str, str]) -> list[str]:
    """Put the environment's settings into the tree, secrets as references, and return notes about them."""
    notes = []
    for variable in sorted(environment):
        if not variable.startswith(_PREFIX):
            continue
        steps = variable.removeprefix(_PREFIX).lower().split("__")
        if len(steps) < 2:
            notes.append(f"{variable}: names no place in the file; left out")
            continue
        is_secret = steps[-1] in _SECRETS or steps[-2:] == ["proxy", "url"]
        value = f"${{{variable}}}" if is_secret else environment[variable]
        if _set(root, steps, Scalar(value, False, 0)):
            notes.append(f"{variable} from the environment overrides the file")
        else:
            notes.append(f"{variable}: the file has nothing there to override; left out")
    return notes


def _set(node: Node | None, steps: list[str], value: Scalar) -> bool:
    for step in steps[:-1]:
        if isinstance(node, Sequence):
            node = node.items[int(step)] if step.isdecimal() and int(step) < len(node.items) else None
        elif isinstance(node, Mapping):
            node = dict(node.items()).get(step)
        else:
            node = None
    if not isinstance(node, Mapping):
        return False
    node.entries[steps[-1]] = value
    return True
