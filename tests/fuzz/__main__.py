"""Checks all that others send to the gateway, with cases that nobody thought of, for as long as asked."""

import argparse
import secrets
import time
from pathlib import Path
from random import Random

from tests.fuzz.run import Course, FailedCaseError, run
from tests.fuzz.targets import TARGETS

_REPORT_SECONDS = 10.0


def main() -> None:
    """Fuzz, or repeat one case."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long, in all")
    parser.add_argument("--seed", type=int, help="of an earlier run, to repeat it; a new one each time")
    parser.add_argument("--target", action="append", choices=[*TARGETS], help="only this; may be repeated")
    parser.add_argument("--case", type=Path, help="check this case only; its folder says of what")
    asked = parser.parse_args()
    if asked.case is not None:
        target = TARGETS[asked.case.resolve().parent.name]
        print(f"{target.name}: {target.check(asked.case.read_bytes(), Random(0))}")
        return
    seed = secrets.randbelow(1 << 32) if asked.seed is None else asked.seed
    print(f"seed {seed}", flush=True)
    told = time.monotonic()
    courses: list[Course] = []
    try:
        for courses in run([TARGETS[name] for name in asked.target or TARGETS], seed, asked.seconds):
            if time.monotonic() - told > _REPORT_SECONDS:
                told = time.monotonic()
                _report(courses)
    except FailedCaseError as failure:
        raise SystemExit(f"{failure.__cause__!r}\n{failure}") from failure
    _report(courses)


def _report(courses: list[Course]) -> None:
    rates = (
        f"{course.target.name} {course.cases:,} ({course.cases / max(course.seconds, 0.001):,.0f}/s)"
        for course in courses
    )
    print(f"{sum(course.cases for course in courses):,} cases: {', '.join(rates)}", flush=True)


if __name__ == "__main__":
    main()
