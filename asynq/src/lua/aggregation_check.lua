-- Takes tasks out of a group into a set, if it is time to aggregate them.
-- KEYS: 1 group zset, 2 the set's zset, 3 zset of aggregation sets, 4 set of group names
-- ARGV: 1 most tasks or 0, 2 longest delay in seconds or 0, 3 grace period in seconds, 4 deadline of the set in Unix
--       seconds, 5 time of the check in Unix seconds, 6 group name
-- Returns 1 when a set was made, else 0.
local size = redis.call('ZCARD', KEYS[1])
if size == 0 then
  return 0
end
local most, delay, grace, at = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[5])
local function score(rank)
  return tonumber(redis.call('ZRANGE', KEYS[1], rank, rank, 'WITHSCORES')[2])
end
local full = most ~= 0 and size >= most
local late = delay ~= 0 and score(0) <= at - delay
if not (full or late or score(-1) <= at - grace) then
  return 0
end
local taken = redis.call('ZRANGE', KEYS[1], 0, most == 0 and -1 or most - 1, 'WITHSCORES')
for i = 1, #taken - 1, 2 do
  redis.call('ZADD', KEYS[2], taken[i + 1], taken[i])
end
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, #taken / 2 - 1)
redis.call('ZADD', KEYS[3], ARGV[4], KEYS[2])
if redis.call('ZCARD', KEYS[1]) == 0 then
  redis.call('SREM', KEYS[4], ARGV[6])
end
return 1
