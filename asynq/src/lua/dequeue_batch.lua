-- Takes the oldest pending tasks of one queue.
-- KEYS: 1 pending list, 2 paused flag, 3 active list, 4 lease zset
-- ARGV: 1 lease expiry in Unix seconds, 2 prefix of task hashes, 3 most tasks
-- Returns {id, message, ...} and {id, error, ...}; both are empty when the queue is paused or empty. As with a single task, an
-- id whose hash is gone becomes a ghost, moved to active and leased all the same, and one that cannot be written gets no lease.
local taken, failed = {}, {}
if redis.call('EXISTS', KEYS[2]) == 1 then
  return {taken, failed}
end
local newest_first = redis.call('LRANGE', KEYS[1], -ARGV[3], -1)
if #newest_first == 0 then
  return {taken, failed}
end
local ids = {}
for i = #newest_first, 1, -1 do
  ids[#ids + 1] = newest_first[i]
end
-- In this order, so that nothing is lost where the first is refused.
redis.call('LPUSH', KEYS[3], unpack(ids))
redis.call('LTRIM', KEYS[1], 0, -#ids - 1)
local leases = {}
for _, id in ipairs(ids) do
  local task = ARGV[2] .. id
  local set = redis.pcall('HSET', task, 'state', 'active')
  if type(set) == 'table' then
    failed[#failed + 1] = id
    failed[#failed + 1] = set.err
  else
    redis.call('HDEL', task, 'pending_since')
    leases[#leases + 1] = ARGV[1]
    leases[#leases + 1] = id
    local message = redis.call('HGET', task, 'msg')
    if message then
      taken[#taken + 1] = id
      taken[#taken + 1] = message
    end
  end
end
if #leases > 0 then
  redis.call('ZADD', KEYS[4], unpack(leases))
end
return {taken, failed}
