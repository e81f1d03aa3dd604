"""The examples in the client's README work as they are printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.clients.conftest import Gateway

README = Path(__file__).resolve().parents[3] / "clients" / "python" / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_there_is_one_example_for_each_client() -> None:
    assert len(EXAMPLES) == 2


@pytest.mark.parametrize("example", EXAMPLES, ids=["blocking", "asynchronous"])
def test_the_example_works(gateway: Gateway, example: str) -> None:
    environment = dict(os.environ) | {
        "TOLLKEEPER_GRPC_ADDRESS": gateway.address,
        "TOLLKEEPER_MANAGEMENT_TOKEN": gateway.management_token,
    }

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert done.returncode == 0
    assert ("sk-tk-" in done.stdout) == ("minted" in example)
