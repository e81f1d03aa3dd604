"""Where an upstream is, as the tests of providers have it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """An address."""

    base_url: str = "https://up.test/v1"
    full_url: str = ""
    api_version: str = ""
