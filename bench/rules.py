"""`python -m bench.rules` measures the time to find a request's rule, among few and among many rules.

There are as many rules of each kind; for each kind, requests that match some of its rules are asked in turn.
Microseconds are the least of several repetitions, because disturbances can only add to a measurement.
"""

import time
from collections.abc import Callable, Mapping

from tabulate import tabulate
from tollkeeper_server.domain.listener import Rule
from tollkeeper_server.snapshot.rules import Rules, compile_rules

from bench.errors import BenchError

_COUNTS = (10, 1_000, 10_000)
_REPETITIONS = 7
_ASKED = 50
"""The number of rules of a kind that are asked for in turn."""
_LOOPS = 40

_HEADERS = {
    b"host": b"gateway.example:3000",
    b"authorization": b"Bearer sk-tk-0123456789",
    b"content-type": b"application/json",
    b"accept": b"application/json",
    b"user-agent": b"bench",
    b"content-length": b"200",
}

_Request = tuple[str, Mapping[bytes, bytes]]

# Functions that return, for a number, a rule of the kind and a request that it matches.
_KINDS: dict[str, tuple[Callable[[int], Rule], Callable[[int], _Request]]] = {
    "static": (
        lambda n: Rule(group=f"s{n}", path=f"/static/t{n}/v1/chat/completions"),
        lambda n: (f"/static/t{n}/v1/chat/completions", _HEADERS),
    ),
    ":name": (
        lambda n: Rule(group=f"p{n}", path=f"/named/t{n}/users/:id/history"),
        lambda n: (f"/named/t{n}/users/u{n}/history", _HEADERS),
    ),
    "{name:regex}, a path each": (
        lambda n: Rule(group=f"c{n}", path=f"/items/t{n}/{{id:[0-9]{{1,{n % 9 + 1}}}}}/x"),
        lambda n: (f"/items/t{n}/{n % 10}/x", _HEADERS),
    ),
    "{name:regex}, all in one place": (
        lambda n: Rule(group=f"r{n}", path=f"/tenants/{{id:t{n}-[0-9]+}}/*"),
        lambda n: (f"/tenants/t{n}-{n}/v1/chat/completions", _HEADERS),
    ),
    "* for the rest": (
        lambda n: Rule(group=f"w{n}", path=f"/t{n}/*"),
        lambda n: (f"/t{n}/v1/chat/completions", _HEADERS),
    ),
    "header, equal": (
        lambda n: Rule(group=f"v{n}", header="x-tenant", value=f"t{n}"),
        lambda n: ("/v1/chat/completions", {**_HEADERS, b"x-tenant": b"t%d" % n}),
    ),
    "header, regex": (
        lambda n: Rule(group=f"e{n}", header="x-team", pattern=f"t{n}-[a-z]+"),
        lambda n: ("/v1/chat/completions", {**_HEADERS, b"x-team": b"t%d-blue" % n}),
    ),
}


def _rules(count: int) -> list[Rule]:
    kinds = [make for make, _ in _KINDS.values()]
    return [kinds[n % len(kinds)](n) for n in range(count)]


def _cost(rules: Rules, requests: list[_Request]) -> float:
    least = float("inf")
    find = rules.find
    for _ in range(_REPETITIONS):
        began = time.perf_counter()
        for _ in range(_LOOPS):
            for path, headers in requests:
                find(path, headers)
        least = min(least, time.perf_counter() - began)
    return least / (_LOOPS * len(requests)) * 1e6


def measure(count: int) -> tuple[float, dict[str, float]]:
    """Return the milliseconds to compile `count` rules, and the microseconds of a `find` by kind."""
    given = _rules(count)
    began = time.perf_counter()
    rules = compile_rules(given)
    compiling = (time.perf_counter() - began) * 1e3
    costs = {}
    for place, (kind, (make, request)) in enumerate(_KINDS.items()):
        numbers = range(place, count, len(_KINDS))
        asked = [request(n) for n in numbers[:: max(1, len(numbers) // _ASKED)]]
        if rules.find(*asked[0]) != make(place):
            raise BenchError(f"{kind}: the rule that was asked for was not found")
        costs[kind] = _cost(rules, asked)
    costs["no rule suits"] = _cost(rules, [("/v1/chat/completions", _HEADERS)])
    costs["no rule suits, encoded"] = _cost(rules, [("/static/t0%2Fv1//ch%61t/completion", _HEADERS)])
    return compiling, costs


def main() -> None:
    """Print the time of a `find` by kind, and the time to compile the rules."""
    measured = [measure(count) for count in _COUNTS]
    rows = [["compiling, ms", *(compiling for compiling, _ in measured)]]
    rows += [[kind, *(costs[kind] for _, costs in measured)] for kind in measured[0][1]]
    headers = ["µs for each find", *(f"{count:,} rules" for count in _COUNTS)]
    print(tabulate(rows, headers=headers, floatfmt=".1f"))


if __name__ == "__main__":
    main()
