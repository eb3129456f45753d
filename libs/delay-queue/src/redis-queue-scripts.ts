import { redisScript } from './redis-script.ts';

// Each script works on one shard: its keys have one hash tag, so that Redis Cluster keeps them on one node. The time is that of
// Redis. A score is the time in µs at which an entry is due, and says what it is waiting for: an even one was asked for by `add` or
// `again`; an odd one is the end of a claim's visibility time, and its token, since no other claim of this entry and no schedule
// can have the same. So fencing needs no room. Scores stay below 2^53, where doubles are whole numbers, until the year 2255.
// Numbers are written with %.0f: Lua's own way of writing keeps 14 digits.

const PRELUDE = `
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local function whole(number) return string.format('%.0f', number) end
local function scheduled(time) return time + time % 2 end
`;

// KEYS: due, again, the payloads' keys. Words: how long payloads are kept, ms; entries at most; id, payload, delay in µs and
// "sooner" or "replace" of each. Answers what came of each.
export const ADD = redisScript(
  'EVALSHA delay-queue add',
  `${PRELUDE}
local keep, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local count
local came = {}
for place = 1, #KEYS - 2 do
  local at = place * 4 - 1
  local id, payload, replaces = ARGV[at], ARGV[at + 1], ARGV[at + 3] == 'replace'
  local due = scheduled(now + tonumber(ARGV[at + 2]))
  local waits = redis.call('ZSCORE', KEYS[1], id)
  local kept = due
  if not waits then
    count = count or redis.call('ZCARD', KEYS[1])
    if count >= most then
      came[place] = 'full'
    else
      count = count + 1
      redis.call('ZADD', KEYS[1], whole(due), id)
      came[place] = 'added'
    end
  else
    waits = tonumber(waits)
    if waits % 2 == 1 and waits > now then
      if replaces then redis.call('ZADD', KEYS[2], whole(due), id)
      else redis.call('ZADD', KEYS[2], 'LT', whole(due), id) end
      came[place] = 'after_claim'
      kept = math.max(due, waits)
    elseif replaces or due < waits then
      redis.call('ZADD', KEYS[1], whole(due), id)
      came[place] = 'moved'
    else
      came[place] = 'kept'
      kept = waits
      -- A claim whose time is over may still be acknowledged; it knows nothing of this entry.
      if waits % 2 == 1 then redis.call('ZADD', KEYS[1], whole(scheduled(waits)), id) end
    end
  end
  if came[place] ~= 'full' then
    redis.call('SET', KEYS[place + 2], payload, 'PX', whole(math.max(0, kept - now) / 1000 + keep))
  end
end
return came`,
);

// KEYS: due, again, fence. Words: limit; visibility in µs; epoch, or nothing; how long a fence is kept, ms; what payloads' keys begin
// with. Answers "fenced" and the epoch that is needed; or the token, the time until the next in µs (nothing where none waits), the number
// of stale ones, and id, payload and lateness in µs of each. Payloads' keys are made here: they cannot be known before, and have
// the hash tag of the others.
export const CLAIM = redisScript(
  'EVALSHA delay-queue claim',
  `${PRELUDE}
if ARGV[3] ~= '' then
  local fence = redis.call('GET', KEYS[3])
  if fence and tonumber(fence) > tonumber(ARGV[3]) then return {'fenced', fence} end
  if not fence or tonumber(fence) < tonumber(ARGV[3]) then
    redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[4])
  end
end
local token = now + tonumber(ARGV[2])
if token % 2 == 0 then token = token + 1 end
local answer = {whole(token), '', 0}
local due = redis.call('ZRANGE', KEYS[1], '-inf', whole(now), 'BYSCORE', 'LIMIT', 0, ARGV[1], 'WITHSCORES')
if #due > 0 then
  local keys = {}
  for at = 1, #due, 2 do keys[#keys + 1] = ARGV[5] .. due[at] end
  local payloads = redis.call('MGET', unpack(keys))
  local wanted = redis.call('EXISTS', KEYS[2]) == 1
  local taken, stale = {}, {}
  local written = whole(token)
  for place = 1, #keys do
    local id = due[place * 2 - 1]
    if payloads[place] then
      taken[#taken + 1] = written
      taken[#taken + 1] = id
      answer[#answer + 1] = id
      answer[#answer + 1] = payloads[place]
      answer[#answer + 1] = whole(now - due[place * 2])
    else
      stale[#stale + 1] = id
    end
    if wanted then
      local time = redis.call('ZSCORE', KEYS[2], id)
      if time and (tonumber(time) <= now or not payloads[place]) then redis.call('ZREM', KEYS[2], id) end
    end
  end
  if #taken > 0 then redis.call('ZADD', KEYS[1], unpack(taken)) end
  if #stale > 0 then redis.call('ZREM', KEYS[1], unpack(stale)) end
  answer[3] = #stale
end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if first[2] then answer[2] = whole(math.max(0, first[2] - now)) end
return answer`,
);

// KEYS: due, again, the payloads' keys. Words: id and token of each. Answers 1 for each that held.
export const ACK = redisScript(
  'EVALSHA delay-queue ack',
  `
local ids = {}
for at = 1, #ARGV, 2 do ids[#ids + 1] = ARGV[at] end
local times = redis.call('ZMSCORE', KEYS[1], unpack(ids))
local wanted = redis.call('EXISTS', KEYS[2]) == 1
local held, gone, keys = {}, {}, {}
for place = 1, #ids do
  local id = ids[place]
  if times[place] and tonumber(times[place]) == tonumber(ARGV[place * 2]) then
    held[place] = 1
    local time = wanted and redis.call('ZSCORE', KEYS[2], id)
    if time then
      redis.call('ZREM', KEYS[2], id)
      redis.call('ZADD', KEYS[1], time, id)
    else
      gone[#gone + 1] = id
      keys[#keys + 1] = KEYS[place + 2]
    end
  else
    held[place] = 0
  end
end
if #gone > 0 then
  redis.call('ZREM', KEYS[1], unpack(gone))
  redis.call('UNLINK', unpack(keys))
end
return held`,
);

// KEYS: due, again, the payloads' keys. Words: how long payloads are kept, ms; id, token, delay in µs and payload of each. Answers 1
// for each that held. A payload is written again only where its own time was over.
export const AGAIN = redisScript(
  'EVALSHA delay-queue again',
  `${PRELUDE}
local held = {}
for place = 1, #KEYS - 2 do
  local at = place * 4 - 2
  local id = ARGV[at]
  local time = redis.call('ZSCORE', KEYS[1], id)
  if time and tonumber(time) == tonumber(ARGV[at + 1]) then
    held[place] = 1
    local due = scheduled(now + tonumber(ARGV[at + 2]))
    local wanted = redis.call('ZSCORE', KEYS[2], id)
    if wanted then
      redis.call('ZREM', KEYS[2], id)
      due = math.min(due, tonumber(wanted))
    end
    redis.call('ZADD', KEYS[1], whole(due), id)
    local life = whole(math.max(0, due - now) / 1000 + tonumber(ARGV[1]))
    if redis.call('PEXPIRE', KEYS[place + 2], life) == 0 then
      redis.call('SET', KEYS[place + 2], ARGV[at + 3], 'PX', life)
    end
  else
    held[place] = 0
  end
end
return held`,
);

// KEYS: due. Words: visibility in µs; id and token of each. Answers the new token of each, or nothing. Never shortens: a token that
// was in use already could come again.
export const EXTEND = redisScript(
  'EVALSHA delay-queue extend',
  `${PRELUDE}
local token = now + tonumber(ARGV[1])
if token % 2 == 0 then token = token + 1 end
local tokens = {}
for at = 2, #ARGV, 2 do
  local time = redis.call('ZSCORE', KEYS[1], ARGV[at])
  if time and tonumber(time) == tonumber(ARGV[at + 1]) then
    local longer = whole(math.max(token, tonumber(time)))
    redis.call('ZADD', KEYS[1], longer, ARGV[at])
    tokens[#tokens + 1] = longer
  else
    tokens[#tokens + 1] = ''
  end
end
return tokens`,
);

// KEYS: due, again, the payloads' keys. Words: ids. Answers how many there were.
export const REMOVE = redisScript(
  'EVALSHA delay-queue remove',
  `
local keys = {}
for place = 3, #KEYS do keys[#keys + 1] = KEYS[place] end
redis.call('ZREM', KEYS[2], unpack(ARGV))
redis.call('UNLINK', unpack(keys))
return {redis.call('ZREM', KEYS[1], unpack(ARGV))}`,
);

// KEYS: due. Answers how many there are and since when the first is due, µs; 0 where it is not.
export const LOOK = redisScript(
  'EVALSHA delay-queue look',
  `${PRELUDE}
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {redis.call('ZCARD', KEYS[1]), whole(math.max(0, now - (first[2] or now)))}`,
);
