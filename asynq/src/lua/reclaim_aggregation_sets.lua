-- Puts the tasks of aggregation sets that were not finished in time back into their groups.
-- KEYS: 1 zset of aggregation sets
-- ARGV: 1 now in Unix seconds
-- As in asynq, the groups' names are not published again: nobody looks there until another task joins.
for _, set in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])) do
  local group = string.match(set, '^(.*):')
  local members = redis.call('ZRANGE', set, 0, -1, 'WITHSCORES')
  for i = 1, #members - 1, 2 do
    redis.call('ZADD', group, members[i + 1], members[i])
  end
  redis.call('DEL', set)
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
return redis.status_reply('OK')
