"""The program `tollkeeper`: signals are held before anything is imported that takes long."""

import gc
import os
import sys

from tollkeeper_server.process.held_signals import hold_signals


def main() -> None:
    """Run the command that the command line names."""
    if sys.argv[1:2] == ["serve"]:
        hold_signals()
        # Imports leave nothing to collect, and to look for it took an eighth of a start. `serve` enables it.
        gc.disable()
        # Otherwise gRPC writes a line for each handshake that fails.
        os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    from tollkeeper_server.process.commands import main as run_command

    run_command()


if __name__ == "__main__":
    main()
