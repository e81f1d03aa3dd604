"""Runs the tests of `webui/e2e` in Chromium: `python -m tests.ui [ARGUMENT OF PLAYWRIGHT...]`.

They get three gateways without any configuration, one of them over TLS and HTTP/2, one of a company with
100,000 tokens, and a simulated provider. `webui/e2e/gateway.ts` reads where these are.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.integration.process import MANAGEMENT_TOKEN, Gateway, Simulator
from tests.ui.company import found

BUILD = Path(__file__).resolve().parents[2] / "webui" / "build.py"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> int:
    """Run them, and return Playwright's exit status."""
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if chromium is None:
        sys.stderr.write("Chromium is missing: apt-get install chromium, or name one: CHROMIUM=/path/to/it\n")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        with (
            Simulator(scratch) as simulator,
            Gateway(scratch / "http") as gateway,
            Gateway(scratch / "first") as first,
            Gateway(scratch / "tls", tls="self-signed") as secured,
            Gateway(scratch / "company") as company,
        ):
            found(company, simulator, crowd=True)
            environment = os.environ | {
                "CHROMIUM": chromium,
                "CONSOLE_URL": gateway.console,
                "FIRST_CONSOLE_URL": first.console,
                "TLS_CONSOLE_URL": secured.console,
                "COMPANY_CONSOLE_URL": company.console,
                "COMPANY_DATA_URL": company.data,
                "DATA_URL": gateway.data,
                "SIMULATOR_URL": f"http://{simulator.address}",
                "MANAGEMENT_TOKEN": MANAGEMENT_TOKEN,
            }
            command = [sys.executable, str(BUILD), "npm", "run", "e2e", "--", *sys.argv[1:]]
            return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
