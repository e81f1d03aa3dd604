"""Chaos in its long form: `python -m tests.chaos --rounds 50 --seed 7`."""

import argparse
import sys
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path

from tests.chaos.books import COLUMNS, Books, BrokenError
from tests.chaos.rounds import mishaps_of, run_round
from tests.chaos.town import town


def main() -> int:
    """Run so many rounds, print a line for each, and return 1 at the first whose books do not balance."""
    options = argparse.ArgumentParser(prog="python -m tests.chaos")
    options.add_argument("--rounds", type=int, default=50)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--first", type=int, default=0, help="the round to begin with")
    options.add_argument("--gateways", type=int, default=3)
    options.add_argument("--store", choices=["sqlite", "mongo"], default="sqlite")
    chosen = options.parse_args()
    chaos_in = partial(town, count=chosen.gateways, on_mongo=chosen.store == "mongo")
    done: list[Books] = []
    happened = Counter[str]()
    sys.stdout.write("  ".join(COLUMNS) + "  mishaps\n")
    with tempfile.TemporaryDirectory() as directory, chaos_in(Path(directory)) as made:
        for number in range(chosen.first, chosen.first + chosen.rounds):
            names = [mishap.__name__ for mishap in mishaps_of(chosen.seed, number)]
            try:
                books = run_round(made, chosen.seed, number)
            except BrokenError as error:
                sys.stderr.write(f"round {number} ({', '.join(names)}): {error}\n")
                again = f"STORE={chosen.store} SEED={chosen.seed} ARGS='--first {number}' ROUNDS=1"
                sys.stderr.write(f"again: make faults {again}\n")
                return 1
            done.append(books)
            happened.update(names)
            sys.stdout.write(f"{books.row(number)}  {', '.join(names)}\n")
            sys.stdout.flush()
    total = Books(*(sum(column) for column in zip(*(vars(it).values() for it in done), strict=True)))
    sys.stdout.write(f"{total.row(len(done))}  {', '.join(f'{n} {name}' for name, n in happened.items())}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
