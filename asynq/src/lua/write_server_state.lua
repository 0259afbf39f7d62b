-- Publishes a server and its tasks in progress.
-- KEYS: 1 server key, 2 workers key
-- ARGV: 1 time to live in milliseconds, 2 server info, then task id and worker info in turn
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[1])
redis.call('DEL', KEYS[2])
for i = 3, #ARGV - 1, 2 do
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
end
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return redis.status_reply('OK')
