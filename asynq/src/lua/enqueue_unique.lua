-- Puts a new task into pending if nobody holds its uniqueness lock.
-- KEYS: 1 uniqueness lock, 2 task hash, 3 pending list
-- ARGV: 1 task id, 2 time to live of the lock in milliseconds, 3 message, 4 now in Unix nanoseconds
-- Returns 1, 0 when the id exists already, -1 when the lock is held. As in asynq, an id that exists leaves the lock set.
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return -1
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  return 0
end
redis.call('HSET', KEYS[2], 'msg', ARGV[3], 'state', 'pending', 'pending_since', ARGV[4], 'unique_key', KEYS[1])
redis.call('LPUSH', KEYS[3], ARGV[1])
return 1
