-- Deletes every task of a list or sorted set.
-- KEYS: 1 list or zset of task ids, and for a group 2 groups set
-- ARGV: 1 LRANGE or ZRANGE, 2 prefix of task hashes, 3 whether their uniqueness locks are released (1 or 0), and for a
--       group 4 its name
-- Returns how many.
local ids = redis.call(ARGV[1], KEYS[1], 0, -1)
for _, id in ipairs(ids) do
  local hash = ARGV[2] .. id
  if ARGV[3] == '1' then
    local lock = redis.call('HGET', hash, 'unique_key')
    if lock and lock ~= '' and redis.call('GET', lock) == id then
      redis.call('DEL', lock)
    end
  end
  redis.call('DEL', hash)
end
redis.call('DEL', KEYS[1])
if KEYS[2] then
  redis.call('SREM', KEYS[2], ARGV[4])
end
return #ids
