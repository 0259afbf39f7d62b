-- Deletes one task that is not in progress, and its uniqueness lock if it still holds it.
-- KEYS: 1 task hash, 2 groups set
-- ARGV: 1 task id, 2 prefix of the queue's keys, 3 prefix of groups
-- Returns {1} done, {0} no such task, {-1} in progress, or {-3, key} when the set that its state names does not hold it.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {0}
end
local fields = redis.call('HMGET', KEYS[1], 'state', 'group', 'unique_key')
local state, group, lock = fields[1] or '', fields[2] or '', fields[3] or ''
if state == 'active' then
  return {-1}
end
local from = ARGV[2] .. state
local removed
if state == 'pending' then
  removed = redis.call('LREM', from, 0, ARGV[1])
elseif state == 'aggregating' then
  from = ARGV[3] .. group
  removed = redis.call('ZREM', from, ARGV[1])
  if removed > 0 and redis.call('ZCARD', from) == 0 then
    redis.call('SREM', KEYS[2], group)
  end
else
  removed = redis.call('ZREM', from, ARGV[1])
end
if removed == 0 then
  return {-3, from}
end
-- Quirk: a unique task of a group has no field `unique_key`, so its lock stays.
if lock ~= '' and redis.call('GET', lock) == ARGV[1] then
  redis.call('DEL', lock)
end
redis.call('DEL', KEYS[1])
return {1}
