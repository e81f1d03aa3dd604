"""A provider that is not one: answers as OpenAI, Azure OpenAI and Anthropic do, for demos and tests.

`config.py` says how it behaves towards every request, `faults.py` what a single request can ask for in
`x-simulate`, `wording.py` how tokens are counted, `control.py` what a test can ask it afterwards. It knows
nothing of the rest of Tollkeeper.
"""

from tollkeeper_server.simulator.app import make_app
from tollkeeper_server.simulator.config import SimulatorConfig
from tollkeeper_server.simulator.server import serve

__all__ = ["SimulatorConfig", "make_app", "serve"]
