-- Says that a drill still has its database.
-- KEYS[1]: the claim
-- ARGV[1]: token
if redis.call("HGET", KEYS[1], "token") ~= ARGV[1] then
  return 0
end
redis.call("HSET", KEYS[1], "beat", redis.call("TIME")[1])
return 1
