"""Runs worlds by their seeds: `python -m tests.simulation --seconds 60`, or `--seed 17` for one of them.

Those of each run are others, from a seed that is said; `--first` begins with the worlds of an earlier run.
"""

import argparse
import secrets
import sys
import time
from collections import Counter

from tests.simulation.chances import KINDS
from tests.simulation.truth import FoundError
from tests.simulation.world import world_of


def main() -> int:
    """Run one world, or as many as fit into some seconds; return 1 if a promise was broken."""
    options = argparse.ArgumentParser(prog="python -m tests.simulation")
    options.add_argument("--seed", type=int)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--first", type=int, default=secrets.randbelow(1 << 32))
    options.add_argument("--kind", choices=KINDS)
    chosen = options.parse_args()
    seeds = [chosen.seed] if chosen.seed is not None else range(chosen.first, sys.maxsize)
    kinds = list(KINDS)
    sys.stdout.write(f"worlds from seed {seeds[0]}\n")
    sys.stdout.flush()
    end, ran, told, wrong = time.monotonic() + chosen.seconds, 0, Counter[str](), Counter[str]()
    for seed in seeds:
        if chosen.seed is None and time.monotonic() >= end:
            break
        if chosen.kind not in (None, kinds[seed % len(kinds)]):
            continue
        world = world_of(seed)
        try:
            world.run()
        except FoundError as error:
            sys.stderr.write(f"seed {seed} ({kinds[seed % len(kinds)]}): {error}\n")
            sys.stderr.write("\n".join(world.log) + f"\nagain: make simulate SEED={seed}\n")
            return 1
        ran += 1
        told.update(world.told)
        wrong.update(line.split()[1] for line in world.log)
    sys.stdout.write(f"{ran} worlds; answers {dict(told)}; faults {dict(wrong)}; no promise broken\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
