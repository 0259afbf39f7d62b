-- Finishes a task that succeeded and is kept for a while.
-- KEYS: 1 active list, 2 lease zset, 3 completed zset, 4 task hash, 5 processed of the day, 6 processed in all
--       [, 7 uniqueness lock]
-- ARGV: 1 task id, 2 expiry of the day's counter, 3 end of the retention in Unix seconds, 4 message, 5 largest counter
-- Error NOT FOUND when the task is not in progress, INTERNAL when it was completed already.
if redis.call('LREM', KEYS[1], 0, ARGV[1]) == 0 then
  return redis.error_reply('NOT FOUND')
end
if redis.call('ZREM', KEYS[2], ARGV[1]) == 0 then
  return redis.error_reply('NOT FOUND')
end
if redis.call('ZADD', KEYS[3], ARGV[3], ARGV[1]) ~= 1 then
  return redis.error_reply('INTERNAL')
end
redis.call('HSET', KEYS[4], 'msg', ARGV[4], 'state', 'completed')
if redis.call('INCR', KEYS[5]) == 1 then
  redis.call('EXPIREAT', KEYS[5], ARGV[2])
end
if redis.call('GET', KEYS[6]) == ARGV[5] then
  redis.call('SET', KEYS[6], 1)
else
  redis.call('INCR', KEYS[6])
end
if KEYS[7] and redis.call('GET', KEYS[7]) == ARGV[1] then
  redis.call('DEL', KEYS[7])
end
return redis.status_reply('OK')
