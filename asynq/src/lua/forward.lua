-- Moves up to 100 due tasks to pending, or back into their group.
-- KEYS: 1 scheduled or retry zset, 2 pending list
-- ARGV: 1 now in Unix seconds, 2 prefix of task hashes, 3 now in Unix nanoseconds, 4 prefix of groups
-- Returns how many were moved. As in asynq, a group gets its task back without its name being published again.
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 100)
for _, id in ipairs(due) do
  local task = ARGV[2] .. id
  local group = redis.call('HGET', task, 'group')
  if group and group ~= '' then
    redis.call('ZADD', ARGV[4] .. group, ARGV[1], id)
    redis.call('ZREM', KEYS[1], id)
    redis.call('HSET', task, 'state', 'aggregating')
  else
    redis.call('LPUSH', KEYS[2], id)
    redis.call('ZREM', KEYS[1], id)
    redis.call('HSET', task, 'state', 'pending', 'pending_since', ARGV[3])
  end
end
return #due
