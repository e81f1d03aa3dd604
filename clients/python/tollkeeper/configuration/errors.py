"""The error that reports the mistakes in a configuration file."""

import re

_MOST = 10
_ROOT = re.compile(r"\bconfiguration\.(?=[a-z_]+\[|gateway\b)")


class ConfigurationError(ValueError):
    """A file can't be used. `problems` name place, reason and remedy, and never show a secret."""

    def __init__(self, *problems: str) -> None:
        shown = problems[:_MOST]
        if len(problems) > _MOST:
            shown += (f"and {len(problems) - _MOST} more",)
        super().__init__("\n".join(shown))
        self.problems = problems


def in_file(text: str) -> str:
    """Return a gateway's message about a file that is applied, with the places as they are in the file."""
    return _ROOT.sub("", text)
