-- Moves one task to archived, whatever it waits for.
-- KEYS: 1 task hash, 2 archived zset, 3 groups set
-- ARGV: 1 task id, 2 now in Unix seconds, 3 oldest age kept in Unix seconds, 4 size limit, 5 prefix of the queue's keys,
--       6 prefix of groups
-- Returns {1} done, {0} no such task, {-1} already archived, {-2} in progress, or {-3, key} when the set that its state
-- names does not hold it.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {0}
end
local fields = redis.call('HMGET', KEYS[1], 'state', 'group')
local state, group = fields[1] or '', fields[2] or ''
if state == 'active' then
  return {-2}
end
if state == 'archived' then
  return {-1}
end
local from = ARGV[5] .. state
local removed
if state == 'pending' then
  removed = redis.call('LREM', from, 1, ARGV[1])
elseif state == 'aggregating' then
  from = ARGV[6] .. group
  removed = redis.call('ZREM', from, ARGV[1])
  if removed > 0 and redis.call('ZCARD', from) == 0 then
    redis.call('SREM', KEYS[3], group)
  end
else
  removed = redis.call('ZREM', from, ARGV[1])
end
if removed == 0 then
  return {-3, from}
end
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
redis.call('HSET', KEYS[1], 'state', 'archived')
-- Quirk: what is trimmed leaves its hash behind, for ever, and with it its id taken. A worker's archive deletes it.
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[3])
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -ARGV[4])
return {1}
