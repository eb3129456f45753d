/**
 * Divides what a channel has agreed to among the replicas that call it: calls under way at once, requests a second, or both. One step
 * in Redis, by Redis' own clock.
 *
 * Always, of each of them: the sum of what every known holder counts, and of the emergency share of every seat that no holder is
 * known for, is at most the agreed number. A holder counts the largest share that it may still be using: a smaller grant counts only
 * when the holder has said that it goes by it. One that is silent counts until its lease is over, and for what lasts longer than a
 * lease until its longest call is over too.
 *
 * A Redis that knows another run of itself, or nothing, may have lost what was written last. For as long as leases that it does
 * not know can live it learns: everybody keeps what they say they have, nobody gets more.
 *
 * KEYS[1] the resource. ARGV: holder, seats, lease ms, longest call ms, the grant that the holder goes by (its number, 0 for none),
 * what is divided (JSON, a list of: name, agreed, emergency, lasts, and of the holder: has, using, demand), now (empty: Redis' own time).
 * Returns: number of the grant, 1 while it learns, and a share of each in the order of the list.
 */
export const ALLOCATE = `
local key = KEYS[1]
local holder = ARGV[1]
local seats = tonumber(ARGV[2])
local leaseMs = tonumber(ARGV[3])
local callMs = tonumber(ARGV[4])
local goesBy = tonumber(ARGV[5])
local divided = cjson.decode(ARGV[6])
local now
if ARGV[7] == '' then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
else
  now = tonumber(ARGV[7])
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
  local nothing = { 0, learns and 1 or 0 }
  for _ in ipairs(divided) do table.insert(nothing, 0) end
  return nothing
end
if own == nil then
  own = { counts = {}, grant = {}, number = 0, untilMs = 0, demand = {} }
  known = known + 1
end
holders[holder] = own

local function divide(what)
  local id, emergency = what.name, what.emergency
  -- What it goes by counts, and what it has under way; an answer that it has not heard counts as well.
  local counts = math.max(what.has, what.using, emergency)
  if own.number >= goesBy then counts = math.max(counts, own.grant[id] or 0) end
  if own.number > goesBy then counts = math.max(counts, own.counts[id] or 0) end
  own.demand[id] = what.demand

  local others = 0
  for name, entry in pairs(holders) do
    if name ~= holder then
      local other = math.max(entry.counts[id] or 0, emergency)
      -- By its own clock its lease was over earlier still, and it sends no more than its emergency share since.
      if not what.lasts and now >= entry.untilMs then other = emergency end
      others = others + other
    end
  end
  local all = what.agreed - emergency * (seats - known)

  -- Everybody's fair part by demand: who wants less than an equal part leaves the rest to the others.
  local left, wanting, fair = all, known, nil
  local pending = {}
  for name, entry in pairs(holders) do pending[name] = math.max(entry.demand[id] or 0, emergency) end
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
  elseif wanting <= 0 then wanted = math.max(what.demand, emergency) + math.floor(left / known)
  else wanted = math.max(what.demand, emergency) end

  local grant = math.max(emergency, math.min(wanted, all - others))
  if learns then grant = math.min(math.max(what.has, emergency), math.max(emergency, all - others)) end
  own.grant[id] = grant
  own.counts[id] = math.max(counts, grant)
  return grant
end

local grants = {}
for _, what in ipairs(divided) do table.insert(grants, divide(what)) end
state.number = state.number + 1
if state.number <= goesBy then state.number = goesBy + 1 end
own.number = state.number
own.untilMs = now + leaseMs
state.holders = holders
redis.call('SET', key, cjson.encode(state), 'PX', leaseMs + callMs + 60000)
return { own.number, learns and 1 or 0, unpack(grants) }
`;
