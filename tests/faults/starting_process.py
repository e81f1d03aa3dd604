"""Tries to start a gateway with each of many settings, each in a process of its own.

    python starting_process.py < ATTEMPTS > STATUSES

ATTEMPTS is a JSON list of `[folder, environment]`; STATUSES are the exit statuses in that order. What an
attempt writes goes to `output` in its folder. The processes are forked from one that has imported the
server, because that takes far longer than failing to start.
"""

import json
import os
import sys
import traceback
from typing import NoReturn

# Imported for those that will be forked.
import tollkeeper_server.process.run
from tollkeeper_server.process.commands import main


def attempt(folder: str, environment: dict[str, str]) -> NoReturn:
    """Run `tollkeeper serve` as if it had just begun, and ends as it does."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    output = os.open("output", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.argv = ["tollkeeper", "serve"]
    status = 70
    try:
        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    assert tollkeeper_server.process.run
    started = []
    for case in json.load(sys.stdin):
        child = os.fork()
        if not child:
            attempt(*case)
        started.append(child)
    json.dump([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in started], sys.stdout)
