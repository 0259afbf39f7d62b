-- Removes the lists and sets of a queue, and with force the tasks in them.
-- KEYS: 1 pending, 2 active, 3 scheduled, 4 retry, 5 archived, 6 lease
-- ARGV: 1 prefix of task hashes, 2 force (1 or 0)
-- Returns 1 done, -1 not empty, -2 tasks in progress.
-- Quirk: completed tasks and those of groups are neither looked at nor removed, nor are `paused`, the counters and the
-- uniqueness locks.
local force = ARGV[2] == '1'
local ranges = {'LRANGE', 'LRANGE', 'ZRANGE', 'ZRANGE', 'ZRANGE'}
local lengths = {'LLEN', 'LLEN', 'ZCARD', 'ZCARD', 'ZCARD'}
if force and redis.call('LLEN', KEYS[2]) > 0 then
  return -2
end
for i = 1, 5 do
  if force then
    for _, id in ipairs(redis.call(ranges[i], KEYS[i], 0, -1)) do
      redis.call('DEL', ARGV[1] .. id)
    end
  elseif redis.call(lengths[i], KEYS[i]) > 0 then
    return -1
  end
end
for i = 1, 6 do
  redis.call('DEL', KEYS[i])
end
return 1
