-- Puts a new task into pending.
-- KEYS: 1 task hash, 2 pending list
-- ARGV: 1 message, 2 task id, 3 now in Unix nanoseconds
-- Returns 1, or 0 when the id exists already (in any state).
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
redis.call('HSET', KEYS[1], 'msg', ARGV[1], 'state', 'pending', 'pending_since', ARGV[3])
redis.call('LPUSH', KEYS[2], ARGV[2])
return 1
