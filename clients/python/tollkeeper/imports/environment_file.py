"""Environment files: lines of `NAME=value` or `export NAME=value`."""

import io

from dotenv import dotenv_values

from tollkeeper.configuration.errors import ConfigurationError
from tollkeeper.configuration.tree import MAX_BYTES


def read_environment(text: str) -> dict[str, str]:
    """Return the variables that a file sets to something. Raises `ConfigurationError`."""
    if len(text) > MAX_BYTES:
        raise ConfigurationError(f"the file has more than {MAX_BYTES:,} bytes")
    found = dotenv_values(stream=io.StringIO(text), interpolate=False)
    return {name: value for name, value in found.items() if value}
