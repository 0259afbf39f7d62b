-- A part of the pending list; only reads.
-- KEYS: 1 pending list
-- ARGV: 1 prefix of task hashes, 2 first rank, 3 last rank
-- Returns {all ids of the part}, {those without a hash}.
local ids = redis.call('LRANGE', KEYS[1], ARGV[2], ARGV[3])
local without = {}
for _, id in ipairs(ids) do
  if redis.call('EXISTS', ARGV[1] .. id) == 0 then
    without[#without + 1] = id
  end
end
return {ids, without}
