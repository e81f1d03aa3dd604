-- The table as a script for Redis: what table.py says, in the same words; a test holds them to each other.
-- script.py says what keys and arguments it takes, and puts the clock and the constants before it.
local pack, unpack_numbers, fmod, floor = struct.pack, struct.unpack, math.fmod, math.floor
local verb = tonumber(ARGV[1])
local asked = cmsgpack.unpack(ARGV[2])
local HEAD = '<ddddddd'
local epoch, expected, heard, since, tick, minute, unheard, tail = 0, 0, 0, 0, 0, 0, 0, nil

local stored = redis.call('GET', KEYS[1])
if stored then
  epoch, expected, heard, since, tick, minute, unheard = unpack_numbers(HEAD, stored)
  tail = string.sub(stored, 57)
else
  tail = cmsgpack.pack({'', {}})
end
local function write_epoch()
  redis.call('SET', KEYS[1], pack(HEAD, epoch, expected, heard, since, tick, minute, unheard) .. tail)
end
-- however far the clock steps, in either way, a minute or none has passed
local function advance()
  local present = floor(now / TICK)
  local moved = present ~= minute
  if present > minute then
    tick = tick + 1
    heard, unheard = 0, heard
  end
  minute = present
  return moved
end
local function live() return heard + unheard end
local function gathers() return live() < expected and now - since >= 0 and now - since < GATHERING end

-- a server that was started again, or another one, may have lost something
local function this_run() return string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') end

if verb == 0 then
  local known = cmsgpack.unpack(tail)
  return cmsgpack.pack({0, epoch, known[1] == this_run(), known[2]})
end
if verb == 1 then
  if epoch <= asked[2] then
    local names = cmsgpack.unpack(tail)[2]
    local others = #names
    for _, name in ipairs(names) do
      if name == asked[1] then others = others - 1 end
    end
    expected = math.max(asked[3], others + 1)
    epoch, heard, since, tick = asked[2] + 1, 0, now, floor(now / TICK)
    unheard = 0
    minute = tick
    tail = cmsgpack.pack({this_run(), {}})
    write_epoch()
  end
  return cmsgpack.pack({0, epoch})
end

-- counts, by their place among the keys; rates have no period
local raw, counts, rates, changed = {}, {}, {}, {}
local function generation(kind)
  if kind == 2 then return tick end
  return floor(tick / TICKS_HELD)
end
local function count_at(i)
  local count = counts[i]
  if count == nil then
    count = false
    if raw[i] then
      count = {unpack_numbers('<ddddddddd', raw[i])}
      if count[1] ~= epoch then count = false end
    end
    counts[i] = count
  end
  return count
end
local function turn(i, count, kind)
  local present = generation(kind)
  if present > count[4] then
    local next_one = present == count[4] + 1
    if kind == 0 then
      count[3] = count[3] + count[6]
      if not next_one then count[3] = count[3] + count[5] end
    end
    count[6] = next_one and count[5] or 0
    count[5] = 0
    count[4] = present
    changed[i] = true
  end
end
local function ensure(i, kind, period)
  local count = count_at(i)
  if not count or period > count[2] then
    local seeded = (kind == 2 or period * 1000000 >= since) and 1 or 0
    count = {epoch, period, 0, generation(kind), 0, 0, seeded, 0, 0}
    counts[i] = count
    changed[i] = true
  else
    turn(i, count, kind)
  end
  return count
end
local function open(i, kind, period)
  local count = count_at(i)
  local begins = period * 1000000
  if not count or period > count[2] then
    if begins > now then return nil, 7, 0 end
    if kind == 0 and begins < since then return nil, 5, 0 end
    count = ensure(i, kind, period)
  elseif period < count[2] then
    return nil, 6, count[2]
  end
  if count[7] == 0 then return nil, 5, 0 end
  turn(i, count, kind)
  return count, 0, 0
end
local function earned_at(i, amount)
  local earned = rates[i]
  if earned == nil then
    earned = raw[i] and {unpack_numbers('<ddddd', raw[i])}
    if not earned or earned[1] ~= epoch then
      earned = {epoch, 0, 0, amount, 0}
      changed[i] = true
    end
    rates[i] = earned
  end
  if earned[4] ~= amount then
    if earned[3] > 0 then earned[2] = earned[2] + 1; earned[3] = 0 end
    earned[4] = amount
    changed[i] = true
  end
  return earned
end
local function taken(earned, need, amount)
  local at, parts = earned[2], earned[3]
  if at < now then at, parts = now, 0 end
  local all = parts + need * MINUTE
  local rest = fmod(all, amount)
  return at + (all - rest) / amount, rest
end
local function rate_left(at, parts, amount, burst)
  if at < now then return burst, 0 end
  local free = burst * MINUTE - (at - now) * amount - parts
  local left = free < 0 and 0 or (free - fmod(free, MINUTE)) / MINUTE
  return left, at - now + (parts > 0 and 1 or 0)
end
local function thresholds_reached(spent, amount)
  if spent >= amount - floor(amount / 20) then return 2 end
  if spent >= amount - floor(amount / 5) then return 1 end
  return 0
end
local function reached_by(count, amount, used)
  local reached = thresholds_reached(count[3], amount)
  if reached > 0 and count[9] ~= amount then
    count[9] = amount
    count[8] = math.min(count[8], thresholds_reached(count[3] - used, amount))
  end
  if reached <= count[8] then return 0 end
  count[8] = reached
  return reached
end
local function reserve(m)
  local left, found = {1}, nil
  local place = 0
  for x = 1, #m, 5 do
    local i, kind, need, amount, bound = m[x] + 1, m[x + 1], m[x + 2], m[x + 3], m[x + 4]
    local why, number, wait = 0, 0, 0
    if kind == 1 then
      local earned = earned_at(i, amount)
      if need > bound then
        why = 1
      else
        local at, parts = taken(earned, need, amount)
        local over = (at - now) * amount + parts - bound * MINUTE
        if over > 0 then
          why = 4
          local rest = fmod(over, amount)
          wait = (over - rest) / amount + (rest > 0 and 1 or 0)
        else
          local units, full = rate_left(at, parts, amount, bound)
          left[#left + 1] = units
          left[#left + 1] = full
          left[#left + 1] = at + earned[5]
        end
      end
      if why > 0 then number = rate_left(earned[2], earned[3], amount, bound) end
    else
      local count
      count, why, number = open(i, kind, bound)
      if count then
        local room = amount - count[3] - count[5] - count[6]
        left[#left + 1] = room - need
        if need > room then
          why = kind == 2 and 3 or 2
          number = room < 0 and 0 or room
        end
      end
    end
    if why >= 5 then return {0, place, why, number, 0} end
    if why > 0 and (not found or why < found[3] or (why == 4 and found[3] == 4 and wait > found[5])) then
      found = {0, place, why, number, wait}
    end
    place = place + 1
  end
  if found then
    place = 0
    for x = 1, #m, 5 do
      local i, kind, need, amount = m[x] + 1, m[x + 1], m[x + 2], m[x + 3]
      local count = counts[i]
      if kind == 0 and need > amount - count[3] - count[5] - count[6] then
        local reached = reached_by(count, amount, 0)
        if reached > 0 then
          found[#found + 1] = place
          found[#found + 1] = reached
        end
        changed[i] = true
      end
      place = place + 1
    end
    return found
  end
  for x = 1, #m, 5 do
    local i, kind, need, amount = m[x] + 1, m[x + 1], m[x + 2], m[x + 3]
    if kind == 1 then
      local earned = rates[i]
      earned[2], earned[3] = taken(earned, need, amount)
    else
      counts[i][5] = counts[i][5] + need
    end
    changed[i] = true
  end
  return left
end
local function post(m)
  local told = {}
  local place = 0
  for x = 1, #m, 7 do
    local i, kind, need, used, period = m[x] + 1, m[x + 1], m[x + 2], m[x + 3], m[x + 4]
    local held_at, amount = m[x + 5], m[x + 6]
    if kind == 1 then
      local earned = earned_at(i, amount)
      local change = (used - need) * MINUTE
      if change < 0 then
        local owed = period - earned[5] - now
        if owed < 0 then owed = 0 end
        local rest = fmod(-change, amount)
        local wanted = (-change - rest) / amount + (rest > 0 and 1 or 0)
        if owed < wanted then
          change = -owed * amount
          wanted = owed
        end
        earned[5] = earned[5] + wanted
      end
      local all = earned[3] + change
      local rest = fmod(all, amount)
      if rest < 0 then rest = rest + amount end
      earned[2] = earned[2] + (all - rest) / amount
      earned[3] = rest
      changed[i] = true
    else
      local count = ensure(i, kind, period)
      if count[2] == period then
        local age = count[4] - (kind == 2 and held_at or floor(held_at / TICKS_HELD))
        if age <= 0 then count[5] = count[5] - need
        elseif age == 1 then count[6] = count[6] - need
        elseif kind == 0 then count[3] = count[3] - need end
        if kind == 0 then
          count[3] = count[3] + used
          local reached = reached_by(count, amount, used)
          if reached > 0 then
            told[#told + 1] = place
            told[#told + 1] = reached
          end
        end
        changed[i] = true
      end
    end
    place = place + 1
  end
  return told
end
local function look(m)
  local seen = {}
  for x = 1, #m, 4 do
    local i, kind, amount, bound = m[x] + 1, m[x + 1], m[x + 2], m[x + 3]
    if kind == 1 then
      local earned = earned_at(i, amount)
      local units, full = rate_left(earned[2], earned[3], amount, bound)
      seen[#seen + 1] = units
      seen[#seen + 1] = full
    else
      local count = count_at(i)
      local four = {0, 0, 0, 0}
      if count then
        turn(i, count, kind)
        four = {count[2], count[3], count[5] + count[6], count[7]}
      end
      for y = 1, 4 do seen[#seen + 1] = four[y] end
    end
  end
  return seen
end
local function seed(m)
  for x = 2, #m, 3 do
    local count = ensure(m[x] + 1, 0, m[x + 1])
    if count[2] == m[x + 1] and count[7] == 0 then
      count[3] = count[3] + m[x + 2]
      count[7] = 1
      changed[m[x] + 1] = true
    end
  end
end
local function take(m, is_member)
  for x = 2, #m, 4 do
    local count, spent, held = ensure(m[x] + 1, 0, m[x + 1]), m[x + 2], m[x + 3]
    if count[2] == m[x + 1] then
      if is_member then
        local late = math.min(math.max(count[5], 0), held)
        local early = math.min(math.max(count[6], 0), held - late)
        count[5] = count[5] - late
        count[6] = count[6] - early
        spent = late + early
      end
      count[3] = count[3] + spent
      changed[m[x] + 1] = true
    end
  end
end
local function value_of(i)
  if rates[i] then return pack('<ddddd', unpack(rates[i])) end
  return pack('<ddddddddd', unpack(counts[i]))
end

local record = redis.call('GET', KEYS[2])
local member_epoch, member_number, member_tick = -1, 0, 0
if record then member_epoch, member_number, member_tick = unpack_numbers('<ddd', record) end

if verb == 2 then
  if asked[2] ~= epoch then return cmsgpack.pack({1, epoch}) end
  if member_epoch == epoch then return cmsgpack.pack({3}) end
  local holdings = asked[3]
  if #holdings > 0 and not gathers() then return cmsgpack.pack({4}) end
  advance()
  for i, it in ipairs(holdings) do
    raw[i] = redis.call('GET', KEYS[i + 2])
    local count = ensure(i, it[1], it[2])
    if count[2] == it[2] then
      count[3] = count[3] + it[3]
      count[5] = count[5] + it[4]
      if it[5] > count[8] then count[8], count[9] = it[5], it[6] end
    end
    redis.call('SET', KEYS[i + 2], value_of(i))
  end
  local known = cmsgpack.unpack(tail)
  local names = known[2]
  names[#names + 1] = asked[1]
  tail = cmsgpack.pack({known[1], names})
  heard = heard + 1
  write_epoch()
  redis.call('SET', KEYS[2], pack('<ddd', epoch, 0, tick))
  return cmsgpack.pack({0, tick, now, live()})
end

if asked[1] ~= epoch then return cmsgpack.pack({1, epoch}) end
local number = asked[2]
if member_epoch ~= epoch or (member_number ~= number and member_number ~= number - 1) then
  return cmsgpack.pack({2})
end
if member_number == number then return string.sub(record, 25) end

local rewrite = advance()
if member_tick ~= tick then
  if member_tick == tick - 1 then unheard = unheard - 1 end
  heard = heard + 1
  rewrite = true
end
if #KEYS > 2 then raw = redis.call('MGET', unpack(KEYS, 3)) end
local gathering = gathers()
local reply = {0, tick, now, 0}
for _, operation in ipairs(asked[3]) do
  local op, m = operation[1], operation[2]
  local result = {}
  if op == 0 then
    result = gathering and {0, 0, 8, 0, 0} or reserve(m)
  elseif op == 1 then result = post(m)
  elseif op == 2 then
    if m[1] == #cmsgpack.unpack(tail)[2] then seed(m) end
  elseif op == 3 then result = look(m)
  elseif op == 4 then
    heard = heard - 1
    expected = expected - 1
    rewrite = true
  else
    local owner = raw[m[1] + 1]
    take(m, owner and unpack_numbers('<d', owner) == epoch)
  end
  reply[#reply + 1] = result
end
reply[4] = live()
reply = cmsgpack.pack(reply)
if rewrite then write_epoch() end
local writes = {KEYS[2], pack('<ddd', epoch, number, tick) .. reply}
for i in pairs(changed) do
  writes[#writes + 1] = KEYS[i + 2]
  writes[#writes + 1] = value_of(i)
end
redis.call('MSET', unpack(writes))
return reply
