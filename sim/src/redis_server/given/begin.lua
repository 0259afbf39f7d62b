-- Says that a database was found empty, and is written to from now on.
-- KEYS[1]: the claim
-- ARGV[1]: token
if redis.call("HGET", KEYS[1], "token") ~= ARGV[1] then
  return 0
end
redis.call("HSET", KEYS[1], "begun", 1)
return 1
