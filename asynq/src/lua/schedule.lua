-- Puts a new task into scheduled.
-- KEYS: 1 task hash, 2 scheduled zset
-- ARGV: 1 message, 2 due time in Unix seconds, 3 task id
-- Returns 1, or 0 when the id exists already (in any state).
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
redis.call('HSET', KEYS[1], 'msg', ARGV[1], 'state', 'scheduled')
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[3])
return 1
