"""A gateway's configuration as a file: YAML to `Configuration` messages and back."""

from tollkeeper.configuration.document import (
    Value,
    as_values,
    emptied_kinds,
    parse_document,
    read_document,
    read_prices,
    write_document,
)
from tollkeeper.configuration.errors import ConfigurationError, in_file
from tollkeeper.configuration.references import resolve

__all__ = [
    "ConfigurationError",
    "Value",
    "as_values",
    "emptied_kinds",
    "in_file",
    "parse_document",
    "read_document",
    "read_prices",
    "resolve",
    "write_document",
]
