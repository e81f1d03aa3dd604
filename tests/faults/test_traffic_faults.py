"""With two upstreams behind a model, callers hardly notice when one of them breaks."""

from collections.abc import Iterator
from datetime import timedelta

import httpx2
import pytest
from tollkeeper import Deployment, Provider, Timeouts

from tests.faults.fault_proxy import Fault, FaultProxy
from tests.faults.traffic import ask
from tests.integration.process import Gateway, Simulator

COOLDOWN = 0.5
CALLS = 24
BEFORE_THE_ANSWER = [Fault.REFUSE, Fault.RESET, Fault.HANG, Fault.ERRORS, Fault.GARBAGE]


class Pair:
    """A model on two upstreams, the first of them behind the proxy."""

    def __init__(self, gateway: Gateway, proxy: FaultProxy, model: str) -> None:
        self.gateway = gateway
        self.proxy = proxy
        self.model = model
        self.secret = gateway.new_token()

    def ask(self, *, stream: bool = False, simulate: str = "") -> httpx2.Response:
        """Asks for a chat completion."""
        return ask(self.gateway, self.secret, simulate, model=self.model, stream=stream)


@pytest.fixture(scope="module")
def proxy(simulator: Simulator) -> Iterator[FaultProxy]:
    with FaultProxy(simulator.address) as running:
        yield running


@pytest.fixture
def behind(gateway: Gateway, simulator: Simulator, proxy: FaultProxy) -> Iterator[Pair]:
    """Puts a model on a fresh pair of upstreams."""
    name = f"pair-{proxy.connections}-{id(object())}"
    short = Timeouts(
        connect=timedelta(seconds=1),
        first_byte=timedelta(seconds=0.5),
        idle=timedelta(seconds=0.5),
        total=timedelta(seconds=5),
    )
    proxy.fault = Fault.NONE
    with gateway.management() as client:
        for place, address in (("broken", proxy.address), ("sound", simulator.address)):
            client.upstreams.create(
                name=f"{name}-{place}",
                provider=Provider.OPENAI,
                base_url=f"http://{address}/v1",
                api_key="sk-fault-0123456789",
                timeouts=short,
                breaker=BREAKER,
            )
        client.models.create(
            name=name,
            deployments=[Deployment(f"{name}-broken"), Deployment(f"{name}-sound")],
        )
    yield Pair(gateway, proxy, name)
    proxy.fault = Fault.NONE
