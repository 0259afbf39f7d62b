-- Takes a database for a drill, if nobody has it.
-- KEYS[1]: the claim
-- ARGV[1]: token, ARGV[2]: what is claimed
-- Answers whether it was taken, Redis' time in seconds, and whose it is: token, claim, time of the last beat.
local now = redis.call("TIME")[1]
if redis.call("EXISTS", KEYS[1]) == 1 then
  local held = redis.call("HMGET", KEYS[1], "token", "claim", "beat")
  return {0, now, held[1] or "", held[2] or "", held[3] or "0"}
end
redis.call("HSET", KEYS[1], "token", ARGV[1], "claim", ARGV[2], "beat", now)
return {1, now, ARGV[1], ARGV[2], now}
