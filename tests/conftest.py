"""What every test may ask for."""

import pytest
from hypothesis import HealthCheck, settings

from tests.servers.report import UnrunTests

# How fast a test runs says something of the machine, and nothing of what the test is about.
settings.register_profile("tollkeeper", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tollkeeper")

pytest_plugins = ["tests.servers.redis", "tests.servers.mongo", "tests.servers.leftovers"]


def pytest_configure(config: pytest.Config) -> None:
    """Add the list of what could not be run, and a marker."""
    config.addinivalue_line("markers", "bench: needs the programs that the bench runs")
    config.pluginmanager.register(UnrunTests())
