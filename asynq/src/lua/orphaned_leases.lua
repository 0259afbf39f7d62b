-- Tasks that are active without a lease, and leases of tasks that are not active; only reads.
-- KEYS: 1 active list, 2 lease zset
-- ARGV: 1 most entries of either that are looked at
-- Returns {ids without a lease}, {ids of leases}, {the ids looked at in active}, 1 if that was all of both.
local last = tonumber(ARGV[1]) - 1
local active = redis.call('LRANGE', KEYS[1], 0, last)
local all_active = redis.call('LLEN', KEYS[1]) == #active
local is_active = {}
local without_lease = {}
for _, id in ipairs(active) do
  is_active[id] = true
  if not redis.call('ZSCORE', KEYS[2], id) then
    without_lease[#without_lease + 1] = id
  end
end
local leases = redis.call('ZRANGE', KEYS[2], 0, last)
local of_nothing = {}
for _, id in ipairs(leases) do
  if not is_active[id] and (all_active or not redis.call('LPOS', KEYS[1], id)) then
    of_nothing[#of_nothing + 1] = id
  end
end
local all = all_active and redis.call('ZCARD', KEYS[2]) == #leases
return {without_lease, of_nothing, active, all and 1 or 0}
