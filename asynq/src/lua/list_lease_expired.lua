-- Lists the messages of tasks whose lease ran out.
-- KEYS: 1 lease zset
-- ARGV: 1 cut-off in Unix seconds, 2 prefix of task hashes
-- Returns {id, message} pairs, flat; ids without a message are left out.
local found = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])) do
  local message = redis.call('HGET', ARGV[2] .. id, 'msg')
  if message then
    table.insert(found, id)
    table.insert(found, message)
  end
end
return found
