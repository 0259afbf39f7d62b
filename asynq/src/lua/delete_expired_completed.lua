-- Deletes up to so many kept tasks whose retention is over.
-- KEYS: 1 completed zset
-- ARGV: 1 now in Unix seconds, 2 prefix of task hashes, 3 most to delete
-- Returns how many were deleted.
local over = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, tonumber(ARGV[3]))
for _, id in ipairs(over) do
  redis.call('DEL', ARGV[2] .. id)
  redis.call('ZREM', KEYS[1], id)
end
return #over
