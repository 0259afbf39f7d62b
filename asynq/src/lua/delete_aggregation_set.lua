-- Deletes an aggregation set with its tasks. Nothing is counted, and no uniqueness lock is released.
-- KEYS: 1 the set's zset, 2 zset of aggregation sets
-- ARGV: 1 prefix of task hashes
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  redis.call('DEL', ARGV[1] .. id)
end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], KEYS[1])
return redis.status_reply('OK')
