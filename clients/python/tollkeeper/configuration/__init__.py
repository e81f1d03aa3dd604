"""A gateway's configuration as a file: YAML to `Configuration` messages and back."""

from tollkeeper.configuration.document import parse_document, read_document, write_document
from tollkeeper.configuration.errors import ConfigurationError
from tollkeeper.configuration.references import resolve

__all__ = ["ConfigurationError", "parse_document", "read_document", "resolve", "write_document"]
