-- Gives tasks that are active and have no lease back to the head of pending, and takes the uniqueness locks from them.
-- KEYS: 1 active list, 2 lease zset, 3 pending list
-- ARGV: 1 prefix of task hashes, 2 now in nanoseconds
-- Returns their ids.
local orphans = {}
for _, id in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  if not redis.call('ZSCORE', KEYS[2], id) and redis.call('EXISTS', ARGV[1] .. id) == 1 then
    orphans[#orphans + 1] = id
  end
end
for _, id in ipairs(orphans) do
  local hash = ARGV[1] .. id
  redis.call('LREM', KEYS[1], 0, id)
  local lock = redis.call('HGET', hash, 'unique_key')
  if lock and lock ~= '' and redis.call('GET', lock) == id then
    redis.call('DEL', lock)
  end
  redis.call('RPUSH', KEYS[3], id)
  redis.call('HSET', hash, 'state', 'pending', 'pending_since', ARGV[2])
end
return orphans
