-- Estimates the bytes a queue takes, as asynq does: the mean size of a sample of each set's task hashes times the length
-- of the set, and the set itself; of groups only the hashes. Only reads; what cannot be read counts as nothing.
-- KEYS: 1 active, 2 pending, 3 scheduled, 4 retry, 5 archived, 6 completed, 7 groups
-- ARGV: 1 prefix of task hashes, 2 tasks sampled per set, 3 groups sampled, 4 prefix of groups
local function usage(key)
  local bytes = redis.pcall('MEMORY', 'USAGE', key)
  return type(bytes) == 'number' and bytes or nil
end
local function ask(fallback, ...)
  local answer = redis.pcall(...)
  if type(answer) == 'table' and answer.err then
    return fallback
  end
  return answer
end
local last = tonumber(ARGV[2]) - 1
local total = 0
for i = 1, 6 do
  local range, length = 'ZRANGE', 'ZCARD'
  if i <= 2 then
    range, length = 'LRANGE', 'LLEN'
  end
  local ids = ask({}, range, KEYS[i], 0, last)
  if #ids > 0 then
    local sampled = 0
    for _, id in ipairs(ids) do
      sampled = sampled + (usage(ARGV[1] .. id) or 0)
    end
    -- Quirk: an id without hash counts in the mean as a hash of no bytes.
    total = total + sampled / #ids * ask(0, length, KEYS[i])
  end
  total = total + (usage(KEYS[i]) or 0)
end
local waiting, sampled, samples = 0, 0, 0
for i, group in ipairs(ask({}, 'SMEMBERS', KEYS[7])) do
  local key = ARGV[4] .. group
  waiting = waiting + ask(0, 'ZCARD', key)
  if i <= tonumber(ARGV[3]) then
    for _, id in ipairs(ask({}, 'ZRANGE', key, 0, last)) do
      local bytes = usage(ARGV[1] .. id)
      if bytes then
        sampled = sampled + bytes
        samples = samples + 1
      end
    end
  end
end
if samples > 0 then
  total = total + sampled / samples * waiting
end
return total
