"""A simulated provider for demos and tests. It answers as OpenAI, Azure OpenAI and Anthropic do.

`config.py` has the settings for all requests, `faults.py` the directives that one request can give in
`x-simulate`, `wording.py` the texts and how their tokens are counted, `control.py` the endpoints for tests.
The package imports nothing else of Tollkeeper.
"""

from tollkeeper_server.simulator.app import make_app
from tollkeeper_server.simulator.config import SimulatorConfig
from tollkeeper_server.simulator.server import serve

__all__ = ["SimulatorConfig", "make_app", "serve"]
