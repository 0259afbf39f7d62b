-- Reads the tasks of an aggregation set.
-- KEYS: 1 the set's zset
-- ARGV: 1 prefix of task hashes
-- Returns {id, message} pairs, flat, in order of their score; ids without a message are left out.
local found = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local message = redis.call('HGET', ARGV[1] .. id, 'msg')
  if message then
    table.insert(found, id)
    table.insert(found, message)
  end
end
return found
