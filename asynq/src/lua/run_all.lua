-- Makes every task of a sorted set pending.
-- KEYS: 1 zset of task ids, 2 pending list, and for a group 3 groups set
-- ARGV: 1 prefix of task hashes, and for a group 2 its name
-- Returns how many.
local ids = redis.call('ZRANGE', KEYS[1], 0, -1)
for _, id in ipairs(ids) do
  redis.call('LPUSH', KEYS[2], id)
  -- Quirk: an id without hash gets one with nothing but a state.
  redis.call('HSET', ARGV[1] .. id, 'state', 'pending')
end
redis.call('DEL', KEYS[1])
if KEYS[3] then
  redis.call('SREM', KEYS[3], ARGV[2])
end
return #ids
