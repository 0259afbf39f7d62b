-- Publishes a scheduler's entries, the last one first.
-- KEYS: 1 entries list
-- ARGV: 1 time to live in milliseconds, 2... entries
redis.call('DEL', KEYS[1])
for i = 2, #ARGV do
  redis.call('LPUSH', KEYS[1], ARGV[i])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return redis.status_reply('OK')
