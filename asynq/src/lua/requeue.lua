-- Gives an unfinished task back: it is the next to be taken. Nothing is counted and pending_since is not set.
-- KEYS: 1 active list, 2 lease zset, 3 pending list, 4 task hash
-- ARGV: 1 task id
-- Error NOT FOUND when the task is not in progress.
if redis.call('LREM', KEYS[1], 0, ARGV[1]) == 0 then
  return redis.error_reply('NOT FOUND')
end
if redis.call('ZREM', KEYS[2], ARGV[1]) == 0 then
  return redis.error_reply('NOT FOUND')
end
redis.call('RPUSH', KEYS[3], ARGV[1])
redis.call('HSET', KEYS[4], 'state', 'pending')
return redis.status_reply('OK')
