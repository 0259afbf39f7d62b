-- Takes ids out of a list or set that have nothing to do there any more.
-- KEYS: 1 pending list, 2 active list, 3 lease zset
-- ARGV: 1 'pending' or 'active': of tasks without a hash, 'lease': of tasks that are not active, 2 prefix of task hashes, 3 ... ids
-- Returns how many.
local count = 0
for i = 3, #ARGV do
  local id = ARGV[i]
  if ARGV[1] == 'lease' then
    if not redis.call('LPOS', KEYS[2], id) then
      count = count + redis.call('ZREM', KEYS[3], id)
    end
  elseif redis.call('EXISTS', ARGV[2] .. id) == 0 then
    count = count + redis.call('LREM', ARGV[1] == 'pending' and KEYS[1] or KEYS[2], 0, id)
  end
end
return count
