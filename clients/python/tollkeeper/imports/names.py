"""Names of our own for what other systems call otherwise."""

import re

_OTHER = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST = 64


class Names:
    """Gives each thing of a kind a name that Tollkeeper takes, as near to its own as may be, none twice."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def new(self, wanted: str) -> str:
        """Return a name that was not given before."""
        base = _OTHER.sub("-", wanted).strip("-._")[:_LONGEST] or "unnamed"
        name, count = base, 1
        while name in self._taken:
            count += 1
            suffix = f"-{count}"
            name = base[: _LONGEST - len(suffix)] + suffix
        self._taken.add(name)
        return name


def variable(*words: str) -> str:
    """Return the name of an environment variable made of those words."""
    name = "_".join(re.sub(r"[^A-Za-z0-9]+", "_", word).strip("_").upper() for word in words)
    return f"_{name}" if name[:1].isdigit() else name
