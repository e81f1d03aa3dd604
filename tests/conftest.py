"""What every test may ask for."""

import pytest

from tests.servers.report import UnrunTests

pytest_plugins = ["tests.servers.redis", "tests.servers.mongo"]


def pytest_configure(config: pytest.Config) -> None:
    """Adds the list of what could not be run."""
    config.pluginmanager.register(UnrunTests())
