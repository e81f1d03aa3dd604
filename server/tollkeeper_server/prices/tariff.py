"""Tariffs: the rates of a model over time and by the length of prompts, for one kind of service."""

from msgspec import Struct

from tollkeeper_server.prices.consumption import Consumption, Unit
from tollkeeper_server.prices.rates import PICO_IN_NANO, Rates, cost

DAY = 86_400
"""The seconds of a day."""


class Period(Struct, frozen=True):
    """When rates hold: from `start`, in seconds of the epoch, at the times of day from `begin` until `end`.

    Times of day are seconds of the UTC day; where `end` is before `begin`, they go over midnight, and where
    both are 0, they are all. `tiers` are by the prompt's length, the longest first; the last takes all.
    """

    start: float
    begin: int
    end: int
    tiers: tuple[Rates, ...]

    def holds(self, at: float) -> bool:
        """Return whether the rates hold at a time in seconds of the epoch."""
        if at < self.start:
            return False
        if self.begin == self.end:
            return True
        time = at % DAY
        if self.end < self.begin:
            return time >= self.begin or time < self.end
        return self.begin <= time < self.end


class Tariff(Struct, frozen=True):
    """The rates of a model for one kind of service. Of the periods that hold, the first one counts.

    If none holds, the last one does: the oldest price that is known.
    """

    periods: tuple[Period, ...]

    def tiers(self, at: float) -> tuple[Rates, ...]:
        """Return the rates at a time in seconds of the epoch, those of the longest prompts first."""
        periods = self.periods
        if len(periods) > 1:
            for period in periods:
                if period.holds(at):
                    return period.tiers
        return periods[-1].tiers

    def cost(self, used: Consumption, at: float) -> int | None:
        """Return what a request costs in nano-dollars, rounded up; None if a unit of it has no rate.

        All of it is billed at the rates of its prompt's length. `at` is when it began, in seconds of the
        epoch.
        """
        tiers = self.tiers(at)
        if len(tiers) == 1:
            return cost(tiers[0], used)
        prompt = used.prompt
        for rates in tiers:
            if prompt > rates.above:
                return cost(rates, used)
        return cost(tiers[-1], used)

    def bound(self, prompt: int, completion: int, at: float) -> int | None:
        """Return the nano-dollars that a request of text costs at most; None if text has no rate.

        At most `prompt` and `completion` tokens; it is written to the cache, or not, as is dearer.
        """
        dearest = None
        for rates in self.tiers(at):
            if prompt <= rates.above:
                continue
            if (prompt and Unit.INPUT in rates.missing) or (completion and Unit.OUTPUT in rates.missing):
                return None
            a_token = max(rates.input, rates.cached, rates.cache_write, rates.cache_write_hour)
            pico = prompt * a_token + completion * max(rates.output, rates.reasoning) + rates.request
            dearest = pico if dearest is None else max(dearest, pico)
        return None if dearest is None else -(-dearest // PICO_IN_NANO)
