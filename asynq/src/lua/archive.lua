-- Moves a failed task to archived, and trims the archive by age and size.
-- KEYS: 1 task hash, 2 active list, 3 lease zset, 4 archived zset, 5 processed of the day, 6 failed of the day,
--       7 processed in all, 8 failed in all, 9 prefix of task hashes
-- ARGV: 1 task id, 2 message, 3 now in Unix seconds, 4 oldest age kept in Unix seconds, 5 size limit, 6 expiry of the
--       day's counters, 7 largest counter value
-- Error NOT FOUND when the task is not in progress. As in asynq, ranks 0 to -limit go, so limit - 1 tasks stay.
if redis.call('LREM', KEYS[2], 0, ARGV[1]) == 0 then
  return redis.error_reply('NOT FOUND')
end
if redis.call('ZREM', KEYS[3], ARGV[1]) == 0 then
  return redis.error_reply('NOT FOUND')
end
redis.call('ZADD', KEYS[4], ARGV[3], ARGV[1])
local old = redis.call('ZRANGE', KEYS[4], '-inf', ARGV[4], 'BYSCORE')
if #old > 0 then
  for _, id in ipairs(old) do
    redis.call('DEL', KEYS[9] .. id)
  end
  redis.call('ZREM', KEYS[4], unpack(old))
end
local extra = redis.call('ZRANGE', KEYS[4], 0, -ARGV[5])
if #extra > 0 then
  for _, id in ipairs(extra) do
    redis.call('DEL', KEYS[9] .. id)
  end
  redis.call('ZREM', KEYS[4], unpack(extra))
end
redis.call('HSET', KEYS[1], 'msg', ARGV[2], 'state', 'archived')
for _, day in ipairs({KEYS[5], KEYS[6]}) do
  if redis.call('INCR', day) == 1 then
    redis.call('EXPIREAT', day, ARGV[6])
  end
end
if redis.call('GET', KEYS[7]) == ARGV[7] then
  redis.call('SET', KEYS[7], 1)
  redis.call('SET', KEYS[8], 1)
else
  redis.call('INCR', KEYS[7])
  redis.call('INCR', KEYS[8])
end
return redis.status_reply('OK')
