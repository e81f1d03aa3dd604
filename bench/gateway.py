"""Runs the gateway with another transport than its own.

`python -m bench.gateway TRANSPORT serve ...` is `tollkeeper serve ...` with the transport replaced.
"""

import sys

from tollkeeper_server.process import dataplane
from tollkeeper_server.process.commands import main

from bench.errors import BenchError
from bench.transports import load_transport

_NAME = "Http1Transport"


if __name__ == "__main__":
    transport = sys.argv.pop(1)
    if not hasattr(dataplane, _NAME):
        raise BenchError(f"the gateway builds no {_NAME} any more; adapt {__file__}")
    vars(dataplane)[_NAME] = load_transport(transport)
    main()
