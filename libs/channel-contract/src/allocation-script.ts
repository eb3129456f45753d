/**
 * Divides what a channel has agreed to among the replicas that call it. One step in Redis, by Redis' own clock.
 *
 * Always: the sum of what every known holder counts, and of the emergency share of every seat that no holder is known for, is at
 * most the agreed number. A holder counts the largest share that it may still be using: a smaller grant counts only when the
 * holder has said that it goes by it, and one that is silent counts until its lease and its longest call are over.
 *
 * A Redis that knows another run of itself, or nothing, may have lost what was written last. For as long as leases that it does
 * not know can live it learns: everybody keeps what they say they have, nobody gets more.
 *
 * KEYS[1] the resource. ARGV: holder, agreed, seats, emergency share, lease ms, longest call ms, the grant that the holder
 * goes by (its number, 0 for none), its share, its calls under way, its demand, now (empty: Redis' own time).
 * Returns: share, number of the grant, 1 while it learns.
 */
export const ALLOCATE = `
local key = KEYS[1]
local holder = ARGV[1]
local agreed = tonumber(ARGV[2])
local seats = tonumber(ARGV[3])
local emergency = tonumber(ARGV[4])
local leaseMs = tonumber(ARGV[5])
local callMs = tonumber(ARGV[6])
local goesBy = tonumber(ARGV[7])
local has = tonumber(ARGV[8])
local underWay = tonumber(ARGV[9])
local demand = tonumber(ARGV[10])
local now
if ARGV[11] == '' then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
else
  now = tonumber(ARGV[11])
end
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')

local stored = redis.call('GET', key)
local state = stored and cjson.decode(stored) or { run = '', learnsUntil = 0, number = 0, holders = {} }
if state.run ~= run then
  state.run = run
  state.learnsUntil = now + leaseMs + callMs
end
local learns = now < state.learnsUntil

local holders = {}
local known = 0
for name, entry in pairs(state.holders) do
  if now < entry.untilMs + callMs then
    holders[name] = entry
    known = known + 1
  end
end

local own = holders[holder]
if own == nil and known >= seats then
  return { 0, 0, learns and 1 or 0 }
end
if own == nil then
  own = { counts = 0, grant = 0, number = 0, untilMs = 0, demand = 0 }
  known = known + 1
end
-- What it goes by counts, and what it has under way; an answer that it has not heard counts as well.
local counts = math.max(has, underWay, emergency)
if own.number > goesBy or (own.number == goesBy and own.grant > counts) then
  counts = math.max(counts, own.grant)
end
if own.number > goesBy then counts = math.max(counts, own.counts) end
own.demand = demand
holders[holder] = own

local others = 0
for name, entry in pairs(holders) do
  if name ~= holder then others = others + entry.counts end
end
local all = agreed - emergency * (seats - known)

-- Everybody's fair part by demand: who wants less than an equal part leaves the rest to the others.
local left, wanting, fair = all, known, nil
local pending = {}
for name, entry in pairs(holders) do pending[name] = math.max(entry.demand, emergency) end
while fair == nil do
  local equal = left / math.max(1, wanting)
  local settled = false
  for name, wants in pairs(pending) do
    if wants <= equal then
      left = left - wants
      wanting = wanting - 1
      pending[name] = nil
      settled = true
    end
  end
  if not settled then fair = equal end
  if wanting <= 0 then fair = math.max(left, 0) end
end
local wanted
if pending[holder] ~= nil then wanted = math.floor(fair)
elseif wanting <= 0 then wanted = math.max(demand, emergency) + math.floor(left / known)
else wanted = math.max(demand, emergency) end

local grant = math.max(emergency, math.min(wanted, all - others))
if learns then grant = math.min(math.max(has, emergency), math.max(emergency, all - others)) end
state.number = state.number + 1
if state.number <= goesBy then state.number = goesBy + 1 end
own.number = state.number
own.grant = grant
own.counts = math.max(counts, grant)
own.untilMs = now + leaseMs
state.holders = holders
redis.call('SET', key, cjson.encode(state), 'PX', leaseMs + callMs + 60000)
return { grant, own.number, learns and 1 or 0 }
`;
