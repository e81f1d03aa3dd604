"""The OpenAI SDK's own tests pass through the gateway as they do against the upstream itself."""

import os
import sys
from collections.abc import Iterator

import pytest
from tollkeeper import Member, Rule

from tests.integration.compare import gateway_before
from tests.integration.process import PROVIDER_KEY
from tests.real.environments import ROOT
from tests.real.openai_sdk import Outcomes, run_tests
from tests.servers.process import ServerProcess

_ANSWERED_HERE = ("GET /v1/models?", "GET /v1/models/")
_CHOSEN = os.environ.get("TOLLKEEPER_TEST_SDK", "")
"""Options that choose some of the SDK's tests: TOLLKEEPER_TEST_SDK="-k chat"."""


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The mock of OpenAI's API."""
    server = ServerProcess(
        "openai-mock",
        tmp_path_factory.mktemp("mock"),
        lambda port: (
            *(sys.executable, "-m", "uvicorn", "--app-dir", str(ROOT), "tests.real.openai_mock.app:app"),
            *("--port", str(port), "--log-level", "warning", "--lifespan", "off"),
        ),
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def direct(mock: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """What the tests come to without the gateway."""
    report = tmp_path_factory.mktemp("direct") / "report"
    url = f"http://127.0.0.1:{mock.port}"
    return run_tests(f"{url}/v1", "any-key", url, report, _CHOSEN)


@pytest.fixture(scope="module")
def through(mock: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """What they come to through a gateway whose default upstream is the mock.

    The administration of accounts is open, which takes a rule.
    """
    folder = tmp_path_factory.mktemp("through")
    url = f"http://127.0.0.1:{mock.port}"
    with gateway_before(url, PROVIDER_KEY, folder) as pair:
        with pair.gateway.management() as client:
            client.groups.create(name="administration", members=[Member("real")])
            client.listeners.create(
                name="all",
                address=pair.gateway.data.rpartition("/")[2],
                rules=[Rule(group="administration", path="/v1/organization/*")],
            )
        return run_tests(pair.gateway.base_url, pair.token, url, folder / "report", _CHOSEN)


def test_the_mock_answers_every_test(direct: Outcomes) -> None:
    assert direct.failed == {}
    assert _CHOSEN or len(direct.passed) > 5000


def test_what_passes_directly_passes_through_the_gateway(direct: Outcomes, through: Outcomes) -> None:
    assert {test: message for test, message in through.failed.items() if test in direct.passed} == {}
    assert direct.passed - through.passed - through.failed.keys() == set()


def test_requests_arrive_as_the_sdk_sends_them(direct: Outcomes, through: Outcomes) -> None:
    assert _CHOSEN or sum(direct.received.values()) > 5000
    unlike = {
        line: (direct.received.get(line, 0), through.received.get(line, 0))
        for line in direct.received.keys() | through.received.keys()
        if direct.received.get(line, 0) != through.received.get(line, 0)
    }
    assert {line: times for line, times in unlike.items() if not line.startswith(_ANSWERED_HERE)} == {}
