-- The groups of a queue with their sizes; only reads.
-- KEYS: 1 groups
-- ARGV: 1 prefix of groups
-- Returns {group, size or Redis' reason why it cannot be read} per group.
local rows = {}
for _, group in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local size = redis.pcall('ZCARD', ARGV[1] .. group)
  rows[#rows + 1] = {group, type(size) == 'table' and size.err or size}
end
return rows
