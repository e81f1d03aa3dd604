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


FILE = "upstreams: [{name: readme, provider: openai, api_key: '${KEY_OF_README}'}]\n"


def test_there_is_one_example_for_each_client_and_one_of_a_file() -> None:
    assert len(EXAMPLES) == 3


@pytest.mark.parametrize("example", EXAMPLES, ids=["blocking", "asynchronous", "file"])
def test_the_example_works(gateway: Gateway, tmp_path: Path, example: str) -> None:
    (tmp_path / "tollkeeper.yaml").write_text(FILE, encoding="utf-8")
    environment = dict(os.environ) | {
        "TOLLKEEPER_GRPC_ADDRESS": gateway.address,
        "TOLLKEEPER_MANAGEMENT_TOKEN": gateway.management_token,
        "KEY_OF_README": "sk-readme",
    }

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert done.returncode == 0
    assert ("sk-tk-" in done.stdout) == ("minted" in example)
