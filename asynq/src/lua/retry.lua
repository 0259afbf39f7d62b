-- Moves a failed task to retry.
-- KEYS: 1 task hash, 2 active list, 3 lease zset, 4 retry zset, 5 processed of the day, 6 failed of the day,
--       7 processed in all, 8 failed in all
-- ARGV: 1 task id, 2 message, 3 due time in Unix seconds, 4 expiry of the day's counters, 5 whether it counts as a
--       failure (1 or 0), 6 largest counter value
-- Error NOT FOUND when the task is not in progress.
if redis.call('LREM', KEYS[2], 0, ARGV[1]) == 0 then
  return redis.error_reply('NOT FOUND')
end
if redis.call('ZREM', KEYS[3], ARGV[1]) == 0 then
  return redis.error_reply('NOT FOUND')
end
redis.call('ZADD', KEYS[4], ARGV[3], ARGV[1])
redis.call('HSET', KEYS[1], 'msg', ARGV[2], 'state', 'retry')
if tonumber(ARGV[5]) == 1 then
  for _, day in ipairs({KEYS[5], KEYS[6]}) do
    if redis.call('INCR', day) == 1 then
      redis.call('EXPIREAT', day, ARGV[4])
    end
  end
  -- As in asynq, only the processed total is looked at, and both start anew together.
  if redis.call('GET', KEYS[7]) == ARGV[6] then
    redis.call('SET', KEYS[7], 1)
    redis.call('SET', KEYS[8], 1)
  else
    redis.call('INCR', KEYS[7])
    redis.call('INCR', KEYS[8])
  end
end
return redis.status_reply('OK')
