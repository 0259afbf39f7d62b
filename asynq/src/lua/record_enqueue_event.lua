-- Keeps an event in the history of a scheduler's entry.
-- KEYS: 1 history zset
-- ARGV: 1 time in Unix seconds, 2 event, 3 most events kept
-- Ranks 0 to -limit go before the event comes, so limit events stay.
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -ARGV[3])
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
return redis.status_reply('OK')
