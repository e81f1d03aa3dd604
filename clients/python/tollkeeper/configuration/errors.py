"""What is wrong with a configuration file."""

_MOST = 10


class ConfigurationError(ValueError):
    """A file can't be used. `problems` name place, reason and remedy, and never show a secret."""

    def __init__(self, *problems: str) -> None:
        shown = problems[:_MOST]
        if len(problems) > _MOST:
            shown += (f"and {len(problems) - _MOST} more",)
        super().__init__("\n".join(shown))
        self.problems = problems
