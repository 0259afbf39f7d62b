-- Finishes a task that succeeded and is not kept.
-- KEYS: 1 active list, 2 lease zset, 3 task hash, 4 processed of the day, 5 processed in all [, 6 uniqueness lock]
-- ARGV: 1 task id, 2 expiry of the day's counter in Unix seconds, 3 largest counter value
-- Error NOT FOUND when the task is not in progress; what was removed until then stays removed.
if redis.call('LREM', KEYS[1], 0, ARGV[1]) == 0 then
  return redis.error_reply('NOT FOUND')
end
if redis.call('ZREM', KEYS[2], ARGV[1]) == 0 then
  return redis.error_reply('NOT FOUND')
end
if redis.call('DEL', KEYS[3]) == 0 then
  return redis.error_reply('NOT FOUND')
end
if redis.call('INCR', KEYS[4]) == 1 then
  redis.call('EXPIREAT', KEYS[4], ARGV[2])
end
if redis.call('GET', KEYS[5]) == ARGV[3] then
  redis.call('SET', KEYS[5], 1)
else
  redis.call('INCR', KEYS[5])
end
if KEYS[6] and redis.call('GET', KEYS[6]) == ARGV[1] then
  redis.call('DEL', KEYS[6])
end
return redis.status_reply('OK')
