-- Gives a database back.
-- KEYS[1]: the claim
-- ARGV[1]: token
if redis.call("HGET", KEYS[1], "token") ~= ARGV[1] then
  return 0
end
return redis.call("DEL", KEYS[1])
