-- Writes the changed message of a scheduled task.
-- KEYS: 1 task hash
-- ARGV: 1 message
-- Returns 1 done, 0 no such task, -1 not scheduled.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
if redis.call('HGET', KEYS[1], 'state') ~= 'scheduled' then
  return -1
end
redis.call('HSET', KEYS[1], 'msg', ARGV[1])
return 1
