"""`${NAME}` in a configuration file: the value of the environment's variable NAME, in secrets alone.

`$${` is a `${` that is meant as it stands, in every text.
"""

import re
from collections.abc import Mapping

from tollkeeper.configuration.errors import ConfigurationError
from tollkeeper.messages.fields import secrets_of
from tollkeeper.v1.configuration_service_pb2 import Configuration

_MARK = re.compile(r"\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)\})?")
_ESCAPED = "$${"


def escape(text: str) -> str:
    """Return `text` as it is written in a file."""
    return text.replace("${", _ESCAPED)


def unescape(text: str) -> str:
    """Return the text that a file's text without references means. Raises `ValueError` if it has some."""
    if any(it[0] != _ESCAPED for it in _MARK.finditer(text)):
        raise ValueError("may not refer to the environment, only secrets may; write $${ for a ${ of its own")
    return text.replace(_ESCAPED, "${")


def references_in(text: str) -> list[str]:
    """Return the variables that a secret refers to. Raises `ValueError` for a `${` that is no reference."""
    found = [it for it in _MARK.finditer(text) if it[0] != _ESCAPED]
    if any(it[1] is None for it in found):
        raise ValueError("has a ${ that is no reference such as ${NAME}; write $${ for a ${ of its own")
    return [it[1] for it in found]


def settle(text: str, environment: Mapping[str, str]) -> str:
    """Return a secret with what `environment` has in the place of references to it; it may keep others."""
    return _MARK.sub(lambda it: escape(environment[it[1]]) if it[1] in environment else it[0], text)


def resolve(configuration: Configuration, environment: Mapping[str, str]) -> Configuration:
    """Return the configuration with what its secrets refer to in their place.

    Raises `ConfigurationError` naming the fields and variables that are not set, or empty.
    """
    resolved = Configuration()
    resolved.CopyFrom(configuration)
    problems = []
    for message, field, path in secrets_of(resolved):
        text: str = getattr(message, field.name)
        try:
            missing = [name for name in references_in(text) if not environment.get(name)]
        except ValueError as error:
            problems.append(f"{path}: {error}")
            continue
        if missing:
            problems += [f"{path}: the environment has no {name}, or it is empty; set it" for name in missing]
        else:
            value = _MARK.sub(lambda it: environment[it[1]] if it[1] else "${", text)
            setattr(message, field.name, value)
    if problems:
        raise ConfigurationError(*problems)
    return resolved
