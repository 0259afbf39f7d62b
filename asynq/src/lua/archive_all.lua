-- Moves every task of a list or sorted set to archived.
-- KEYS: 1 list or zset of task ids, 2 archived zset, and for a group 3 groups set
-- ARGV: 1 LRANGE or ZRANGE, 2 now in Unix seconds, 3 oldest age kept in Unix seconds, 4 size limit, 5 prefix of task
--       hashes, and for a group 6 its name
-- Returns how many.
local ids = redis.call(ARGV[1], KEYS[1], 0, -1)
for _, id in ipairs(ids) do
  redis.call('ZADD', KEYS[2], ARGV[2], id)
  redis.call('HSET', ARGV[5] .. id, 'state', 'archived')
end
-- Quirk: what is trimmed leaves its hash behind, for ever, and with it its id taken. A worker's archive deletes it.
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[3])
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -ARGV[4])
redis.call('DEL', KEYS[1])
if KEYS[3] then
  redis.call('SREM', KEYS[3], ARGV[6])
end
return #ids
