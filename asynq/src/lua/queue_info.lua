-- Numbers of one queue; only reads. What cannot be read is told beside the rest and does not fail it.
-- KEYS: 1 pending, 2 active, 3 scheduled, 4 retry, 5 archived, 6 completed, 7 processed of the day, 8 failed of the day,
--       9 processed in all, 10 failed in all, 11 paused, 12 groups
-- ARGV: 1 prefix of task hashes, 2 prefix of groups
-- Returns the six sizes, the four counters as they stand ('' without one), whether paused, how many groups, how many
-- tasks wait in them, pending_since of the oldest pending task ('' without one), and the keys that could not be read,
-- each followed by Redis' reason.
local bad = {}
local function read(fallback, command, key, ...)
  local answer = redis.pcall(command, key, ...)
  if type(answer) == 'table' and answer.err then
    bad[#bad + 1] = key
    bad[#bad + 1] = answer.err
    return fallback
  end
  return answer or fallback
end
local sizes = {read(0, 'LLEN', KEYS[1]), read(0, 'LLEN', KEYS[2])}
for i = 3, 6 do
  sizes[i] = read(0, 'ZCARD', KEYS[i])
end
local counters = {}
for i = 7, 10 do
  counters[i - 6] = read('', 'GET', KEYS[i])
end
local groups = read({}, 'SMEMBERS', KEYS[12])
local waiting = 0
for _, group in ipairs(groups) do
  waiting = waiting + read(0, 'ZCARD', ARGV[2] .. group)
end
local since = ''
local oldest = sizes[1] > 0 and redis.call('LINDEX', KEYS[1], -1)
if oldest then
  since = read('', 'HGET', ARGV[1] .. oldest, 'pending_since')
end
return {sizes, counters, redis.call('EXISTS', KEYS[11]), #groups, waiting, since, bad}
