-- Takes the oldest pending task of one queue.
-- KEYS: 1 pending list, 2 paused flag, 3 active list, 4 lease zset
-- ARGV: 1 lease expiry in Unix seconds, 2 prefix of task hashes
-- Returns {id, message or false}, or nil when the queue is paused or empty. As in asynq, an id whose hash is gone
-- becomes a ghost: it is moved to active and leased all the same.
if redis.call('EXISTS', KEYS[2]) == 1 then
  return nil
end
local id = redis.call('RPOPLPUSH', KEYS[1], KEYS[3])
if not id then
  return nil
end
local task = ARGV[2] .. id
redis.call('HSET', task, 'state', 'active')
redis.call('HDEL', task, 'pending_since')
redis.call('ZADD', KEYS[4], ARGV[1], id)
return {id, redis.call('HGET', task, 'msg')}
