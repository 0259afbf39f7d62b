-- Makes one task pending, whatever it waits for.
-- KEYS: 1 task hash, 2 pending list, 3 groups set
-- ARGV: 1 task id, 2 prefix of the queue's keys, 3 prefix of groups
-- Returns {1} done, {0} no such task, {-1} in progress, {-2} already pending, or {-3, key} when the set that its state
-- names does not hold it.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {0}
end
local fields = redis.call('HMGET', KEYS[1], 'state', 'group')
local state, group = fields[1] or '', fields[2] or ''
if state == 'active' then
  return {-1}
end
if state == 'pending' then
  return {-2}
end
local from = ARGV[2] .. state
if state == 'aggregating' then
  from = ARGV[3] .. group
end
if redis.call('ZREM', from, ARGV[1]) == 0 then
  return {-3, from}
end
if state == 'aggregating' and redis.call('ZCARD', from) == 0 then
  redis.call('SREM', KEYS[3], group)
end
-- Quirk: `pending_since` is not set, so the task does not count in the queue's latency.
redis.call('LPUSH', KEYS[2], ARGV[1])
redis.call('HSET', KEYS[1], 'state', 'pending')
return {1}
