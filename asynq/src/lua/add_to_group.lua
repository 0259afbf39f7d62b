-- Puts a new task into a group, where it waits to be aggregated.
-- KEYS: 1 task hash, 2 group zset, 3 set of group names [, 4 uniqueness lock]
-- ARGV: 1 message, 2 task id, 3 now in Unix seconds, 4 group name [, 5 time to live of the lock in milliseconds]
-- Returns 1, 0 when the id exists already, -1 when the lock is held. As in asynq, an id that exists leaves the lock set,
-- and the hash gets no field unique_key.
if KEYS[4] and not redis.call('SET', KEYS[4], ARGV[2], 'NX', 'PX', ARGV[5]) then
  return -1
end
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
redis.call('HSET', KEYS[1], 'msg', ARGV[1], 'state', 'aggregating', 'group', ARGV[4])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
redis.call('SADD', KEYS[3], ARGV[4])
return 1
