"""Floods of the data plane from another process, and what they leave behind."""

import re
import subprocess
import sys
from pathlib import Path

from tollkeeper import Deployment, Provider

from tests.integration.process import PATIENT, Gateway, Simulator, clean_environment
from tests.integration.wire import Wire

_FLOODING = Path(__file__).with_name("flooding_process.py")


def serve_busy(gateway: Gateway, busy: Simulator) -> None:
    """Have the model that floods ask for served by a simulator."""
    with gateway.management() as client:
        client.upstreams.create(
            name="busy",
            provider=Provider.OPENAI,
            base_url=f"http://{busy.address}/v1",
            api_key="sk-busy",
            breaker=PATIENT,
        )
        client.models.create(name="busy", deployments=[Deployment("busy")])


def flood(gateway: Gateway, kind: str, connections: int, seconds: float, token: str = "") -> None:
    """Flood the gateway from another process until that ends."""
    command = [sys.executable, str(_FLOODING), kind, str(connections), str(seconds)]
    command += [gateway.data.removeprefix("http://"), token]
    subprocess.run(command, env=clean_environment(), check=True, timeout=60)


def gone(gateway: Gateway, few: int = 0) -> bool:
    """Return whether the gateway has let go of its callers' connections, but for a few.

    When a flood is killed, the system drops a reset that lies outside of a full window: of such a caller
    nothing is heard, and its connection lasts as long as one may that asks for nothing.
    """
    with Wire(gateway.console) as wire:
        text = wire.ask("GET", "/metrics").body.decode()
    left = re.search(r'tollkeeper_open_connections\{listener="main"\} (\S+)', text)
    return left is not None and float(left[1]) <= few
