"""What need not be kept of the table, and for Redis a script: removing it changes no answer of the table.

That is all of past epochs; budgets of periods that are long over; rates that have been whole for long; slots
that nobody has renewed. Total budgets of the present epoch stay, also those that no limit names: what members
have spent of them stands nowhere else in Redis.
"""

from tollkeeper_server.domain.limit import Measure
from tollkeeper_server.ledger.meter import METER_KEY
from tollkeeper_server.ledger.shared.script import CLOCK, PREFIX
from tollkeeper_server.ledger.shared.table import Table

EPOCH_KEY = PREFIX + "epoch"
"""The first key of a call; those that are looked at follow."""

_DAY = 86_400_000_000
_LONGEST_PERIOD = 31

_HEAD = f"""
{CLOCK}
local DAY, LONGEST, SLOTS = {_DAY}, {(_LONGEST_PERIOD + 2) * _DAY}, '{PREFIX}{METER_KEY}{Measure.CONCURRENT}:'
"""
_BODY = """
local stored = redis.call('GET', KEYS[1])
if not stored then return 0 end
local epoch, _, _, _, tick = struct.unpack('<ddddd', stored)
local removed = 0
for i = 2, #KEYS do
  local value = redis.call('GET', KEYS[i])
  if value then
    local unused = struct.unpack('<d', value) ~= epoch
    if not unused and string.find(KEYS[i], 'm:', 1, true) then
      if #value == 40 then
        local _, at = struct.unpack('<dd', value)
        unused = at < now - DAY
      else
        local _, period, _, generation = struct.unpack('<dddd', value)
        if string.sub(KEYS[i], 1, #SLOTS) == SLOTS then
          unused = generation < tick - 1
        else
          unused = period > 0 and period * 1000000 < now - LONGEST
        end
      end
    end
    if unused then removed = removed + redis.call('DEL', KEYS[i]) end
  end
end
return removed
"""
SWEEP = _HEAD + _BODY
"""Returns how many of the keys it has removed."""


def forget(table: Table, now: int) -> None:
    """Remove the same of a table in this process."""
    epoch, counts = table.epoch, table.counts
    oldest, slots = now - (_LONGEST_PERIOD + 2) * _DAY, f"{METER_KEY}{Measure.CONCURRENT}:"
    table.members = {key: it for key, it in table.members.items() if it.epoch == epoch}
    counts.rates = {key: it for key, it in counts.rates.items() if it.epoch == epoch and it.at >= now - _DAY}
    counts.counts = {
        key: it
        for key, it in counts.counts.items()
        if it.epoch == epoch
        and (
            it.generation >= counts.tick - 1
            if key.startswith(slots)
            else it.period <= 0 or it.period * 1_000_000 >= oldest
        )
    }
