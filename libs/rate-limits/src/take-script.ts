/**
 * Takes a token from each of some buckets, or from none (generic cell rate algorithm: of a bucket only the moment is kept at which it
 * would be full again). By Redis' own clock, so that processes whose clocks differ share one truth.
 *
 * KEYS: the buckets. ARGV: of each its interval and its tolerance, microseconds.
 * Answers {0, 0}, or the number of the first empty bucket (from 1) and when it has a token again, microseconds.
 */
export const TAKE = `
local now = redis.call('TIME')
local now_us = now[1] * 1000000 + now[2]
local full_at = {}
for place, key in ipairs(KEYS) do
  local interval, tolerance = tonumber(ARGV[2 * place - 1]), tonumber(ARGV[2 * place])
  local at = tonumber(redis.call('GET', key) or 0)
  if at < now_us then at = now_us end
  local ahead = at - now_us
  if ahead > tolerance then return {place, string.format('%.0f', math.ceil(ahead - tolerance))} end
  full_at[place] = at + interval
end
for place, key in ipairs(KEYS) do
  redis.call('SET', key, string.format('%.0f', full_at[place]), 'PX', string.format('%.0f', math.ceil((full_at[place] - now_us) / 1000) + 1000))
end
return {0, '0'}
`;
